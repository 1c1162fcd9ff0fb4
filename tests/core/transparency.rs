//! What is counted for the public, and that nothing small can be computed from it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use urgence::core::transparency::{Cell, Census, Kept, Period, Report, Row, Scope, Shown, Waits};
use urgence::core::{
    Case, CaseId, Command, DataCategory, Deed, Disposition, Ended, Ending, Intake, Nature, Outcome,
    Proposed, RefusalReason, Standing, Timestamp, decide,
};
use urgence::transparency::{Format, written};

use crate::make::{
    IN_PROGRESS, START, Story, accepted, at, by_category, called_back, days, just_before, minutes,
    next, policy,
};

const YEAR: Period = Period { from: START, to: Timestamp::from_millis(1_900_000_000_000) };

fn census(cases: &[Case], as_of: Timestamp) -> Census {
    let mut census = Census::new(YEAR, as_of);
    cases.iter().for_each(|case| census.count(case));
    census
}

/// As many cases of their own that are like this one.
fn times(count: usize, case: &Case) -> Vec<Case> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let renamed = |_| {
        let request_id = format!("like-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let id = CaseId::derive(&case.authority, &request_id.parse().unwrap());
        Case { id, ..case.clone() }
    };
    (0..count).map(renamed).collect()
}

fn total(report: &Report) -> &Shown {
    report.total.as_ref().unwrap()
}

/// A case that was answered at this minute, and whose data went out a minute later.
fn disclosed(minute: u64) -> Story {
    let mut story = Story::held(Nature::MissingChild, 1);
    let subscriber = DataCategory::Subscriber;
    story.act("ana", at(minute), Deed::Claim);
    story.act("ana", at(minute), Deed::Respond(story.epoch(), IN_PROGRESS));
    story.act("bo", at(minute), Deed::RecordVerification(called_back("fr-pnij")));
    let proposed = by_category(&[(subscriber, Disposition::Disclosed)]);
    story.act("ana", at(minute), Deed::ProposeOutcome(story.epoch(), proposed));
    story.act("bo", at(minute + 1), Deed::ApproveOutcome(1, Standing::default()));
    story
}

/// A case that ended as a whole at minute 10.
fn ended_by(ending: Ending) -> Story {
    let mut story = Story::held(Nature::MissingChild, 9);
    story.act("ana", at(10), Deed::ProposeOutcome(1, Proposed::Whole(ending)));
    story.act("bo", at(10), Deed::ApproveOutcome(1, Standing::default()));
    story
}

#[test]
fn a_row_counts_what_became_of_its_requests() {
    let cases: Vec<Case> = (3..15).flat_map(|minute| times(1, &disclosed(minute).case)).collect();
    let report = census(&cases, at(60)).publish(10);
    let [Row { scope: Scope::Cell(cell), shown }] = report.rows.as_slice() else {
        panic!("{report:?}")
    };
    assert_eq!(cell, &Cell::of(&cases[0]));
    assert_eq!(cell.outcome, Some(Outcome::DisclosedFull));
    let wanted = Shown {
        requests: 12,
        targets: 12,
        disclosures: Some(12),
        frauds: Some(0),
        refusals: [].into(),
        kept: Some(Kept { judged: 12, within_target: 12, within_limit: 12 }),
        // Nearest rank: the 6th and the 12th of minutes 3 to 14.
        waits: Some(Waits { answered: 12, median: minutes(8), p95: minutes(14) }),
    };
    assert_eq!(shown, &wanted);
    assert_eq!(total(&report), &wanted);
}

#[test]
fn frauds_and_refusals_are_told_apart() {
    let fraud = ended_by(Ending::FraudConfirmed).case;
    let overbroad = ended_by(Ending::Rejected(RefusalReason::Overbroad)).case;
    let late = ended_by(Ending::Rejected(RefusalReason::Incomplete)).case;
    let cases = [times(11, &fraud), times(12, &overbroad), times(3, &late)].concat();
    let report = census(&cases, at(60)).publish(10);
    let [fraud, rejected] = report.rows.as_slice() else { panic!("{report:?}") };
    let (fraud, rejected) = match &fraud.scope {
        Scope::Cell(cell) if cell.outcome == Some(Outcome::FraudConfirmed) => (fraud, rejected),
        _ => (rejected, fraud),
    };
    assert_eq!((fraud.shown.requests, fraud.shown.frauds), (11, Some(11)));
    assert_eq!(fraud.shown.refusals, [].into(), "a fraud is refused, and is counted as a fraud");
    assert_eq!((rejected.shown.requests, rejected.shown.frauds), (15, Some(0)));
    assert_eq!(rejected.shown.refusals, [].into(), "15 less 12 would be 3");
    assert_eq!(total(&report).refusals, [].into());
    assert_eq!(total(&report).frauds, Some(11));
    let cases = [times(12, &overbroad), times(10, &late)].concat();
    let both = [(RefusalReason::Incomplete, 10), (RefusalReason::Overbroad, 12)].into();
    assert_eq!(total(&census(&cases, at(60)).publish(10)).refusals, both);
}

#[test]
fn data_that_was_sent_often_for_few_is_not_told() {
    let none = accepted(Nature::MissingChild);
    let mut some = none.clone();
    some.disclosures = [disclosed(5).case.disclosures, disclosed(6).case.disclosures].concat();
    assert_eq!(some.disclosures.len(), 2);
    let told = |few: usize| {
        let cases = [times(few, &some), times(12, &none)].concat();
        total(&census(&cases, at(60)).publish(10)).disclosures
    };
    assert_eq!((told(9), told(10)), (Some(0), Some(20)));
}

/// Where few were answered, the promise of the same row would bound how many; so neither is told, nor
/// what would make the one from the others.
#[test]
fn promise_and_waits_are_told_together() {
    let answered = |nature| {
        let mut story = Story::held(nature, 1);
        story.act("ana", at(5), Deed::Claim);
        story.act("ana", at(5), Deed::Respond(story.epoch(), IN_PROGRESS));
        story.case
    };
    let never = accepted(Nature::MissingChild);
    let cases = [
        times(3, &answered(Nature::MissingChild)),
        times(7, &never),
        times(15, &answered(Nature::Kidnapping)),
        times(20, &answered(Nature::ThreatToLife)),
    ];
    let report = census(&cases.concat(), at(600)).publish(10);
    let told = report
        .rows
        .iter()
        .map(|row| (row.shown.requests, row.shown.kept.is_some(), row.shown.waits.is_some()));
    let told: Vec<_> = told.collect();
    assert!(told.iter().all(|(_, kept, waits)| kept == waits), "{told:?}");
    assert_eq!(told.iter().filter(|(_, kept, _)| *kept).count(), 0, "{told:?}");
    assert!(total(&report).waits.is_some_and(|waits| waits.answered == 38));
}

#[test]
fn what_was_never_answered_is_a_promise_broken_once_its_limit_has_passed() {
    let open = accepted(Nature::MissingChild);
    let limit = open.first_response_clock().limit_at;
    let cases = times(10, &open);
    let kept = |as_of| {
        let report = census(&cases, as_of).publish(10);
        assert_eq!(total(&report).waits, None);
        total(&report).kept
    };
    assert_eq!(kept(just_before(limit)), None, "nothing can be said yet");
    let broken = Kept { judged: 10, within_target: 0, within_limit: 0 };
    assert_eq!(kept(limit), Some(broken));
    // The authority took it back in time, so it is owed nothing; or too late.
    let withdrawn = |minute| {
        let mut story = Story::held(Nature::MissingChild, 1);
        story.act("portal", at(minute), Deed::Withdraw);
        story.act("ana", at(minute), Deed::Claim);
        story.act("ana", at(minute), Deed::ConfirmWithdrawal(story.epoch()));
        assert_eq!(story.case.first_response, None);
        census(&times(10, &story.case), at(600)).publish(10)
    };
    assert_eq!(total(&withdrawn(2)).kept, None);
    assert_eq!(total(&withdrawn(45)).kept, Some(broken));
}

#[test]
fn an_answer_counts_by_the_instant_at_which_it_came() {
    let of = |minute| {
        let case = disclosed(minute).case;
        total(&census(&times(10, &case), at(600)).publish(10)).kept.unwrap()
    };
    assert_eq!(of(19), Kept { judged: 10, within_target: 10, within_limit: 10 });
    assert_eq!(of(20), Kept { judged: 10, within_target: 0, within_limit: 10 });
    assert_eq!(of(29), Kept { judged: 10, within_target: 0, within_limit: 10 });
    assert_eq!(of(30), Kept { judged: 10, within_target: 0, within_limit: 0 });
}

#[test]
fn each_request_of_the_period_counts_once_and_a_test_of_ours_never() {
    let case = accepted(Nature::MissingChild);
    let synthetic = Command::Accept(Intake::synthetic(7));
    let synthetic = next(decide(None, &synthetic, START, policy())).case;
    let count = |cases: &[Case], from, to| {
        let mut census = Census::new(Period { from, to }, at(1));
        cases.iter().for_each(|case| census.count(case));
        total(&census.publish(1)).requests
    };
    let cases = [case.clone(), case, synthetic];
    assert_eq!(count(&cases, START, at(1)), 1);
    assert_eq!(count(&cases, just_before(START), START), 0, "the end is not in it");
    assert_eq!(count(&cases, at(1), at(2)), 0);
}

#[test]
fn what_was_purged_counts_as_before() {
    let mut fraud = ended_by(Ending::FraudConfirmed);
    let mut rejected = ended_by(Ending::Rejected(RefusalReason::PressFreedom));
    let mut sent = disclosed(4);
    sent.act("portal", at(6), Deed::ConfirmDelivery(1));
    let waived = urgence::core::Settlement::Waived;
    sent.act("bo", at(6), Deed::SettleClock(urgence::core::ClockKind::UserNotice, waived));
    let report = |stories: [&Story; 3]| {
        let cases = stories.iter().zip(5..).flat_map(|(story, count)| times(count, &story.case));
        let cases: Vec<Case> = cases.collect();
        // All in one, and each by itself.
        (census(&cases, at(60)).publish(3), census(&cases, at(60)).publish(6))
    };
    let before = report([&fraud, &rejected, &sent]);
    for story in [&mut fraud, &mut rejected, &mut sent] {
        story.wake(at(0) + days(4_000));
        assert!(story.case.purged_at.is_some());
        assert!(story.case.facts.fingerprints.is_empty());
    }
    assert_eq!(report([&fraud, &rejected, &sent]), before);
    assert_eq!(total(&before.0).targets, 18);
}

/// Cells of two countries, in four ways to stand. Who looks at a report knows which cells there may be.
fn cells() -> Vec<Case> {
    let answered = Story::answered(Nature::MissingChild, IN_PROGRESS).case;
    let ended = |outcome, refusal| {
        let (purge_at, shown_until) = (at(9_999), at(9_999));
        Some(Ended { outcome, refusal, at: at(9), purge_at, shown_until })
    };
    let mut cells = Vec::new();
    for country in ["BE", "FR"] {
        for ended in [
            None,
            ended(Outcome::NoDataFound, None),
            ended(Outcome::Rejected, Some(RefusalReason::Overbroad)),
            ended(Outcome::Redirected, None),
        ] {
            let mut case = Case { ended, ..answered.clone() };
            case.facts.country = country.parse().unwrap();
            cells.push(case);
        }
    }
    cells
}

/// Every world in which up to four requests are in each of seven cells: whatever small number is not told
/// could have been another one. One that only keeps small ones company is no secret.
#[test]
fn no_small_number_can_be_computed() {
    const MOST: usize = 4;
    const CELLS: usize = 7;
    const MIN: u32 = 3;
    let cells = cells();
    let cases: Vec<Vec<Case>> = cells.iter().map(|case| times(MOST, case)).collect();
    let mut worlds: BTreeMap<String, (Report, Vec<Vec<usize>>)> = BTreeMap::new();
    for number in 0..(MOST + 1).pow(CELLS as u32) {
        let sizes: Vec<usize> =
            (0..CELLS).map(|cell| number / (MOST + 1).pow(cell as u32) % (MOST + 1)).collect();
        let mut census = Census::new(YEAR, at(60));
        for (cases, size) in cases.iter().zip(&sizes) {
            cases[..*size].iter().for_each(|case| census.count(case));
        }
        let report = census.publish(MIN);
        let said = format!("{:?} {:?}", report.rows, report.total);
        worlds.entry(said).or_insert_with(|| (report, Vec::new())).1.push(sizes);
    }
    let mut untold = 0;
    for (report, alike) in worlds.values() {
        let is_told = |cell: usize| {
            let place = Scope::Cell(Cell::of(&cells[cell]));
            report.rows.iter().any(|row| row.scope == place)
        };
        let sum: u64 = report.rows.iter().map(|row| row.shown.requests).sum();
        assert_eq!(sum, report.total.as_ref().map_or(0, |total| total.requests));
        assert!(report.rows.iter().all(|row| row.shown.requests >= u64::from(MIN)));
        for cell in (0..CELLS).filter(|cell| !is_told(*cell)) {
            // Where there were requests in every cell that a country may have, the sums say more. In a
            // real table it may have thousands.
            let country = if cell < 4 { 0..4 } else { 4..CELLS };
            let has_gap = |sizes: &Vec<usize>| sizes[country.clone()].contains(&0);
            let first = alike[0][cell];
            if first == 0 || first >= MIN as usize || !alike.iter().any(has_gap) {
                continue;
            }
            untold += 1;
            let is_open = alike.iter().any(|sizes| sizes[cell] != first);
            // A world at the edge has neighbours that were not enumerated.
            let is_at_edge = alike.iter().all(|sizes| sizes.contains(&MOST));
            assert!(is_open || is_at_edge, "cell {cell} of {alike:?}\n{report:#?}");
        }
    }
    assert!(untold > 300, "{untold}");
}

#[test]
fn small_cells_go_with_their_likes_as_near_as_is_safe() {
    let cells = cells();
    let count = |sizes: [usize; 8]| {
        let cases = cells.iter().zip(sizes).flat_map(|(case, size)| times(size, case));
        let report = census(&cases.collect::<Vec<_>>(), at(60)).publish(10);
        let row = |row: &Row| match &row.scope {
            Scope::Cell(cell) => (cell.country.to_string(), row.shown.requests),
            Scope::Nature(country, _) => (format!("{country} nature"), row.shown.requests),
            Scope::Country(country) => (format!("{country} country"), row.shown.requests),
            Scope::Several => ("several".to_owned(), row.shown.requests),
        };
        let rows: Vec<_> = report.rows.iter().map(row).collect();
        let rows = rows.iter().map(|(name, size)| format!("{name} {size}")).collect::<Vec<_>>();
        (rows.join(", "), report.total.map(|total| total.requests))
    };
    let told = |rows: &str, total| (rows.to_owned(), Some(total));
    assert_eq!(count([10, 0, 0, 0, 11, 0, 0, 0]), told("BE 10, FR 11", 21));
    assert_eq!(count([6, 6, 5, 0, 11, 0, 0, 0]), told("FR 11, BE nature 17", 28));
    assert_eq!(
        count([6, 6, 0, 0, 11, 12, 0, 0]),
        told("FR 12, several 23", 35),
        "6 and 6 are 12, but less 6 is 6"
    );
    assert_eq!(count([1, 0, 0, 0, 30, 12, 10, 0]), told("FR 30, several 23", 53));
    assert_eq!(count([1, 0, 0, 0, 12, 0, 0, 0]), told("several 13", 13));
    assert_eq!(count([4, 0, 0, 0, 5, 0, 0, 0]), (String::new(), None));
    assert_eq!(count([0; 8]), told("", 0));
}

/// A report with each kind of row.
fn report() -> Report {
    let cells = cells();
    let sizes = [12, 11, 13, 0, 4, 5, 6, 0];
    let cases = cells.iter().zip(sizes).flat_map(|(case, size)| times(size, case));
    census(&cases.collect::<Vec<_>>(), at(60)).publish(9)
}

#[test]
fn each_format_says_the_same() {
    let report = report();
    let csv = written("main", &report, Format::Csv);
    let lines: Vec<Vec<&str>> =
        csv.split_terminator("\r\n").map(|line| line.split(',').collect()).collect();
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{csv}");
    let column = |name: &str| lines[0].iter().position(|head| *head == name).unwrap();
    let requests: Vec<&str> = lines[1..].iter().map(|line| line[column("requests")]).collect();
    assert_eq!(requests, ["12", "11", "13", "15", "51"]);
    assert_eq!(
        lines[3][..5],
        ["BE", "missing_child", "emergency_request", "rejected", "non_content"]
    );
    assert_eq!(lines[3][column("refused_overbroad")], "13");
    assert_eq!(lines[4][..5], ["FR", "missing_child", "several", "several", "several"]);
    assert_eq!(lines[4][column("fraud_rejected")], "", "not told");
    assert_eq!(lines[5][..5], ["total"; 5]);
    assert_eq!(lines[1][column("median_seconds")], "300");

    let json: serde_json::Value =
        serde_json::from_str(&written("main", &report, Format::Json)).unwrap();
    assert_eq!(json["desk"], "main");
    assert_eq!(json["min_cell"], 9);
    assert_eq!(json["rows"][3]["requests"], 15);
    assert_eq!(json["rows"][3]["disclosures"], serde_json::Value::Null);
    assert_eq!(json["rows"][2]["refusals"]["overbroad"], 13);
    assert_eq!(json["total"]["promise"]["within_target"], 51);
    assert_eq!(json["rows"].as_array().unwrap().len(), 4);

    let html = written("<b>", &report, Format::Html);
    for wanted in [
        "&lt;b&gt;",
        "<html lang=\"en\">",
        "<th scope=\"col\">Country</th>",
        "All</th>",
        "<td class=\"n\">51</td>",
        "overbroad 13",
        "Requests by country: BE 36, FR 15",
        "5:00",
    ] {
        assert!(html.contains(wanted), "{wanted} in {html}");
    }
    for banned in ["<script", "http:", "https:", "url(", "<b>", "<img", "<link", "onload"] {
        assert!(!html.contains(banned), "{banned}");
    }
}

#[test]
fn a_report_of_nothing_that_may_be_told_is_a_file_all_the_same() {
    let report = census(&times(4, &accepted(Nature::MissingChild)), at(1)).publish(10);
    assert_eq!(report.rows, []);
    assert_eq!(written("main", &report, Format::Csv).lines().count(), 1);
    assert!(written("main", &report, Format::Html).contains("too few to be told.</p>"));
    assert!(written("main", &report, Format::Json).contains("\"total\": null"));
}
