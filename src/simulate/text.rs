//! The table that a report reads as.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::options::Scenario;
use super::report::{Report, Sample, Waits, Who, share};
use super::search::{Staffing, Trial};
use super::shift::{Shift, day_of};
use super::wording::{grouped, headline, length, percent, promised, responders, time_of_day, who};
use crate::core::{Class, Timestamp};
use crate::wording::wait;

/// How many rows a table by the hour has at most.
const HOUR_ROWS_MAX: u32 = 24;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        self.write_waits(f)?;
        self.write_incident(f)?;
        self.write_queue(f)?;
        self.write_people(f)?;
        self.write_pages(f)?;
        self.write_promises(f)?;
        self.write_answers(f)
    }
}

impl Report {
    fn write_head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        let emergencies = self.waits(Who::Emergencies).requests;
        let routine = self.waits(Who::Routine).requests;
        writeln!(
            f,
            "{}: {} hours from {}, seed {}",
            headline(options.scenario),
            options.hours,
            time_of_day(self.begins_at),
            options.seed
        )?;
        writeln!(f, "Responders      {}", responders(options))?;
        writeln!(
            f,
            "Requests        {}: {} emergencies, {} routine",
            grouped(emergencies + routine),
            grouped(emergencies),
            grouped(routine)
        )?;
        writeln!(
            f,
            "A case takes    {} min to the first response, {} min more to the outcome, on average",
            options.handling_minutes, options.collecting_minutes
        )?;
        if options.failed_verification_percent > 0.0 {
            let percent = options.failed_verification_percent;
            writeln!(f, "Call-backs      fail for {percent} in a hundred requests")?;
        }
        if options.scenario == Scenario::Attack {
            let lanes = if options.has_incident_lane {
                "the attack's cases wait in a lane of their own"
            } else {
                "all cases wait in one lane"
            };
            writeln!(f, "Queue           {lanes}")?;
        }
        Ok(())
    }

    fn write_waits(&self, f: &mut Formatter<'_>) -> fmt::Result {
        title(f, "First response")?;
        writeln!(
            f,
            "{:24}{:>10}{:>18}{:>11}{:>11}{:>10}{:>10}{:>10}{:>10}{:>12}",
            "",
            "requests",
            "promised",
            "in target",
            "in limit",
            "p50",
            "p95",
            "longest",
            "breached",
            "unanswered"
        )?;
        let rows: &[Who] = match self.options.scenario {
            Scenario::QuietDay => &[Who::Emergencies, Who::Routine],
            Scenario::Attack => &[Who::Emergencies, Who::Ordinary, Who::Incident, Who::Routine],
        };
        for row in rows {
            let class = if *row == Who::Routine { Class::Routine } else { Class::Emergency };
            let promise = promised(&self.options, class);
            let promised = format!("{} / {}", length(promise.target), length(promise.limit));
            wait_row(f, who(*row), &promised, &self.waits(*row))?;
        }
        writeln!(
            f,
            "Whoever is unanswered at the end has waited until then: late once target or limit have passed, \
             in no share before."
        )?;
        Ok(())
    }

    fn write_incident(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let objective = self.options.objective;
        let shares = self.incident();
        if shares.cases == 0 {
            return Ok(());
        }
        title(f, "Answered for good, about the attack")?;
        let mut row = |within: Duration, ended: u32, judged: u32| {
            let (within, share) = (length(within), percent(share(ended, judged)));
            let (ended, judged) = (grouped(ended), grouped(judged));
            writeln!(f, "within {within:17}{share:>10}{:>21}", format!("{ended} of {judged}"))
        };
        row(objective.share_within, shares.ended_within_share, shares.judged_by_share)?;
        row(objective.answered_within, shares.ended_within_objective, shares.judged_by_objective)
    }

    fn write_queue(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let hours_per_row = self.options.hours.div_ceil(HOUR_ROWS_MAX);
        title(f, "Emergencies by the time at which they came, and the queue then")?;
        writeln!(
            f,
            "{:24}{:>10}{:>11}{:>11}{:>10}{:>18}{:>10}",
            "", "requests", "in target", "in limit", "waiting", "in incident lane", "answered"
        )?;
        for number in (0..self.options.hours).step_by(hours_per_row as usize) {
            let begins_at = self.begins_at + Duration::from_hours(u64::from(number));
            let ends_at = begins_at + Duration::from_hours(u64::from(hours_per_row));
            let is_in = |at: Timestamp| (begins_at..ends_at).contains(&at);
            let came = self.cases.iter().filter(|case| is_in(case.accepted_at));
            let waits = Waits::of(came.filter(|case| case.class() == Class::Emergency));
            let deepest = self.samples.iter().filter(|sample| is_in(sample.at));
            let deepest = deepest.max_by_key(|sample| sample.ordinary + sample.incident);
            let deepest = deepest.copied().unwrap_or(Sample::of(begins_at));
            let day = day_of(self.begins_at, begins_at);
            writeln!(
                f,
                "day {day:<3}{:17}{:>10}{:>11}{:>11}{:>10}{:>18}{:>10}",
                time_of_day(begins_at),
                grouped(waits.requests),
                percent(waits.target_share()),
                percent(waits.limit_share()),
                grouped(deepest.ordinary + deepest.incident),
                grouped(deepest.incident),
                grouped(deepest.answered)
            )?;
        }
        writeln!(f, "The queue is that of the moment when most waited with nobody at work on them.")
    }

    fn write_people(&self, f: &mut Formatter<'_>) -> fmt::Result {
        title(f, "People")?;
        for shift in Shift::ALL {
            let busy = percent(self.busy_share(*shift));
            let count = self.options.responders.of(*shift);
            writeln!(f, "{:24}{count:>10}{busy:>14} busy", shift.word())?;
        }
        let tally = &self.tally;
        let counts = [
            ("claims", tally.claims),
            ("given back", tally.released),
            ("handed over", tally.handed_over),
            ("claims lost", tally.claims_lost),
            ("updates", tally.updates),
            ("disclosures", tally.disclosures),
        ];
        counts.iter().try_for_each(|(name, count)| count_row(f, name, *count))
    }

    fn write_pages(&self, f: &mut Formatter<'_>) -> fmt::Result {
        title(f, "Pages by contact")?;
        writeln!(f, "{:24}{:>10}{:>14}{:>11}", "", "pages", "for an answer", "other")?;
        for (contact, pages) in &self.tally.pages {
            writeln!(
                f,
                "{:24}{:>10}{:>14}{:>11}",
                contact.as_str(),
                grouped(pages.waiting + pages.other),
                grouped(pages.waiting),
                grouped(pages.other)
            )?;
        }
        title(f, "Rungs of the emergencies' first-response clocks that fired")?;
        for (name, count) in self.rungs() {
            count_row(f, &name, count)?;
        }
        count_row(f, "quiet for a claim", self.tally.quieted)
    }

    /// The rungs of an emergency's ladder and how often each fired; the repeats together.
    pub(super) fn rungs(&self) -> Vec<(String, u32)> {
        let ladder = &promised(&self.options, Class::Emergency).ladder;
        let fired = &self.tally.rungs;
        let of = |offset| fired.get(&offset).copied().unwrap_or_default();
        let mut rungs: Vec<(String, u32)> =
            ladder.rungs.iter().map(|rung| (length(rung.offset), of(rung.offset))).collect();
        let last = ladder.rungs.last().map_or(Duration::ZERO, |rung| rung.offset);
        let repeats = fired.iter().filter(|(offset, _)| **offset > last);
        rungs.push(("later".to_owned(), repeats.map(|(_, count)| count).sum()));
        rungs
    }

    fn write_promises(&self, f: &mut Formatter<'_>) -> fmt::Result {
        title(f, "Promises")?;
        writeln!(f, "{:36}{:>15}{:>14}", "", "past target", "past limit")?;
        for ((clock, class), passed) in &self.tally.passed {
            let name = format!("{}, {}", clock.word(), class.word());
            let (targets, limits) = (grouped(passed.targets), grouped(passed.limits));
            writeln!(f, "{name:36}{targets:>15}{limits:>14}")?;
        }
        Ok(())
    }

    fn write_answers(&self, f: &mut Formatter<'_>) -> fmt::Result {
        title(f, "First responses by what they said")?;
        for (word, count) in &self.tally.answers {
            count_row(f, word, *count)?;
        }
        title(f, "Outcomes")?;
        for (outcome, count) in &self.tally.outcomes {
            count_row(f, outcome.word(), *count)?;
        }
        Ok(())
    }
}

impl Display for Staffing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let goal = self.goal();
        match self.found {
            Some(found) => writeln!(
                f,
                "{goal} takes {found} responders by day, in the evening and at night; \
                 with one less in any shift it is not kept."
            )?,
            None => writeln!(
                f,
                "{goal} is not kept even by {} responders in every shift: \
                 look at how long an answer takes.",
                self.goal.responders_max
            )?,
        }
        if !self.goal.has_other_promises {
            writeln!(
                f,
                "Replies, updates, outcomes and routine requests are not part of this goal."
            )?;
        }
        title(f, "Tried")?;
        writeln!(
            f,
            "{:24}{:>11}{:>11}{:>10}{:>20}",
            "", "in target", "in limit", "longest", "other promises late"
        )?;
        self.trials.iter().try_for_each(|trial| writeln!(f, "{trial}"))
    }
}

impl Staffing {
    /// What was wanted, word by word.
    fn goal(&self) -> String {
        let promise = promised(&self.options, Class::Emergency);
        let others = if self.goal.has_other_promises {
            ", and no reply, update, outcome or routine request too late,"
        } else {
            ""
        };
        let (first, nights) = (self.options.seed, self.goal.nights);
        let last = first.wrapping_add(u64::from(nights) - 1);
        let nights = match nights {
            1 => format!("in the night of seed {first}"),
            _ => format!("in each of the {nights} nights of the seeds {first} to {last}"),
        };
        format!(
            "{} of the first responses to emergencies within {} and {} within {}{others} {nights}",
            percent(Some(self.goal.target_share)),
            length(promise.target),
            percent(Some(self.goal.limit_share)),
            length(promise.limit),
        )
    }
}

impl Display for Trial {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let verdict = self
            .failed_in
            .map_or_else(|| "kept".to_owned(), |seed| format!("not kept with seed {seed}"));
        write!(
            f,
            "{:24}{:>11}{:>11}{:>10}{:>20}   {verdict}",
            self.responders.to_string(),
            percent(self.waits.target_share()),
            percent(self.waits.limit_share()),
            wait(self.waits.max),
            grouped(self.others_broken)
        )
    }
}

fn title(f: &mut Formatter<'_>, title: &str) -> fmt::Result {
    writeln!(f, "\n{title}")
}

fn count_row(f: &mut Formatter<'_>, name: &str, count: u32) -> fmt::Result {
    writeln!(f, "{name:24}{:>10}", grouped(count))
}

fn wait_row(f: &mut Formatter<'_>, name: &str, promised: &str, waits: &Waits) -> fmt::Result {
    writeln!(
        f,
        "{name:24}{:>10}{promised:>18}{:>11}{:>11}{:>10}{:>10}{:>10}{:>10}{:>12}",
        grouped(waits.requests),
        percent(waits.target_share()),
        percent(waits.limit_share()),
        wait(waits.median),
        wait(waits.p95),
        wait(waits.max),
        grouped(waits.breached),
        grouped(waits.unanswered)
    )
}
