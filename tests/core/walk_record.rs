//! What the record says of every transition: who did it, from where to where, what it vouches for, and
//! on which standing it rests.

use urgence::core::{Case, Command, Deed, Event, Next};

pub fn check_record(before: &Case, command: &Command, next: &Next) {
    let change = next.change();
    let act = match command {
        Command::Act(act, deed) => Some((act, deed)),
        Command::Accept(_) | Command::Sort(_) | Command::Report(_) | Command::Wake => None,
    };
    // Nobody but the one who acts has done it; what time does on the way is no person's.
    assert_eq!(change.actor, act.map(|(act, _)| act.actor()), "{command:?}");
    assert_eq!((change.from, change.to), (Some(before.state()), Some(next.case.state())));
    let said = act.filter(|(_, deed)| matches!(deed, Deed::Respond(..)));
    let said = said.and_then(|(act, _)| act.content);
    assert_eq!(change.digest, said, "{command:?}");
    let is_answered = before.first_response.is_none() && next.case.first_response.is_some();
    if let Some(response) = next.case.first_response.as_ref().filter(|_| is_answered) {
        assert_eq!(response.digest, said);
    }
    // What goes out rests on how the authority stood, and nothing else does.
    let discloses = next.events.iter().any(|event| matches!(event, Event::Disclosed { .. }));
    let approved_on = act.and_then(|(_, deed)| match deed {
        Deed::ApproveOutcome(_, standing) => Some(standing.version),
        _ => None,
    });
    assert_eq!(next.rests_on, approved_on.filter(|_| discloses), "{command:?}");
}
