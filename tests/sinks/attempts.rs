//! Every class of answer, and what comes of it.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use urgence::outbound::{Address, Attempt, Outbound, Post, TIMEOUT};

use super::support::receiver::{Answer, Receiver};

/// Long enough for a busy machine to answer, where an answer is to come.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where none is to come.
const BRIEFLY: Duration = Duration::from_millis(100);

fn address(text: &str) -> Address {
    text.parse::<url::Url>().unwrap().into()
}

fn post(receiver: &Receiver) -> Post {
    Post {
        address: address(&receiver.url("/secret-path?secret=query")),
        headers: vec![("authorization", "Bearer canary".to_owned())],
        body: b"canary".to_vec(),
    }
}

async fn attempt(answer: Answer, timeout: Duration) -> Attempt {
    let receiver = Receiver::start(answer).await;
    let outbound = Outbound::with_timeout(timeout).unwrap();
    let post = post(&receiver);
    let attempt = tokio::time::timeout(PATIENCE * 2, outbound.post(&post));
    let attempt = attempt.await.expect("an attempt ends");
    assert_eq!(receiver.got().len(), 1, "it is asked once");
    attempt
}

fn throttled(seconds: Option<u64>) -> Attempt {
    Attempt::Throttled { retry_after: seconds.map(Duration::from_secs) }
}

#[tokio::test]
async fn only_2xx_is_taken_and_every_other_answer_says_whether_to_try_again() {
    const NOTHING: &[(&str, &str)] = &[];
    const SECONDS: &[(&str, &str)] = &[("retry-after", "7")];
    const DATES: &[(&str, &str)] = &[
        ("date", "Fri, 13 Nov 2015 21:20:00 GMT"),
        ("retry-after", "Fri, 13 Nov 2015 21:21:30 GMT"),
    ];
    const PAST: &[(&str, &str)] = &[
        ("date", "Fri, 13 Nov 2015 21:20:00 GMT"),
        ("retry-after", "Fri, 13 Nov 2015 21:00:00 GMT"),
    ];
    const UNDATED: &[(&str, &str)] = &[("retry-after", "Fri, 13 Nov 2015 21:21:30 GMT")];
    const NONSENSE: &[(&str, &str)] = &[("retry-after", "soon")];
    let failed =
        |status: u16| Attempt::Failed { problem: format!("answered with status {status}") };
    let refused = |status| Attempt::Refused { status };
    let cases = [
        (200, NOTHING, Attempt::Taken),
        (202, NOTHING, Attempt::Taken),
        (204, NOTHING, Attempt::Taken),
        (300, NOTHING, refused(300)),
        (304, NOTHING, refused(304)),
        (400, NOTHING, refused(400)),
        (404, SECONDS, refused(404)),
        (410, NOTHING, refused(410)),
        (408, NOTHING, failed(408)),
        (425, NOTHING, failed(425)),
        (429, NOTHING, throttled(None)),
        (429, SECONDS, throttled(Some(7))),
        (429, DATES, throttled(Some(90))),
        (429, PAST, throttled(Some(0))),
        (429, UNDATED, throttled(None)),
        (429, NONSENSE, throttled(None)),
        (500, NOTHING, failed(500)),
        (500, SECONDS, failed(500)),
        (503, NOTHING, failed(503)),
        (503, SECONDS, throttled(Some(7))),
        (504, NOTHING, failed(504)),
    ];
    for (status, headers, wanted) in cases {
        let got = attempt(Answer::With(status, headers), PATIENCE).await;
        assert_eq!(got, wanted, "{status} {headers:?}");
        let is_final = matches!(wanted, Attempt::Taken | Attempt::Refused { .. });
        assert_eq!(got.is_final(), is_final, "{status}");
    }
}

#[tokio::test]
async fn a_redirect_is_refused_and_its_target_is_not_asked() {
    let target = Receiver::start(Answer::With(200, &[])).await;
    let location: &'static str = target.url("/elsewhere").leak();
    for status in [301, 302, 303, 307, 308] {
        let headers = vec![("location", location)].leak();
        assert_eq!(
            attempt(Answer::With(status, headers), PATIENCE).await,
            Attempt::Refused { status }
        );
    }
    assert!(target.got().is_empty());
}

#[tokio::test]
async fn a_broken_connection_is_a_failure_that_names_no_secret() {
    let nobody = Receiver::start(Answer::Reset).await;
    let outbound = Outbound::new().unwrap();
    let post_to_nobody =
        Post { address: address("http://127.0.0.1:1/secret-path"), ..post(&nobody) };
    for attempt in [outbound.post(&post(&nobody)).await, outbound.post(&post_to_nobody).await] {
        let Attempt::Failed { problem } = &attempt else { panic!("{attempt:?}") };
        assert!(problem.contains(": "), "it says why: {problem}");
        assert!(!problem.contains("secret"), "{problem}");
        assert!(!attempt.is_final());
    }
}

#[tokio::test]
async fn no_answer_in_time_is_told_apart_from_a_refusal() {
    assert_eq!(TIMEOUT, Duration::from_secs(5));
    assert_eq!(attempt(Answer::Never, BRIEFLY).await, Attempt::TimedOut);
    assert_eq!(attempt(Answer::Half, BRIEFLY).await, Attempt::TimedOut);
    let told = Arc::new(Notify::new());
    let receiver = Receiver::start(Answer::Late(Arc::clone(&told))).await;
    let outbound = Outbound::with_timeout(BRIEFLY).unwrap();
    assert_eq!(outbound.post(&post(&receiver)).await, Attempt::TimedOut);
    told.notify_one();
    // The late answer is not taken for that of the next attempt.
    receiver.answer(Answer::With(400, &[]));
    let outbound = Outbound::with_timeout(PATIENCE).unwrap();
    assert_eq!(outbound.post(&post(&receiver)).await, Attempt::Refused { status: 400 });
}

#[tokio::test]
async fn the_body_of_an_answer_is_not_waited_for() {
    assert_eq!(attempt(Answer::EndlessBody, PATIENCE).await, Attempt::Taken);
}

#[test]
fn the_words_of_attempts_are_fixed_and_a_post_shows_no_secret() {
    let attempts = [
        (Attempt::Taken, "taken"),
        (throttled(None), "throttled"),
        (Attempt::Refused { status: 400 }, "refused"),
        (Attempt::Failed { problem: String::new() }, "failed"),
        (Attempt::TimedOut, "timed_out"),
    ];
    for (attempt, word) in attempts {
        assert_eq!(attempt.word(), word);
    }
    let post = Post {
        address: address("https://pages.example/canary?canary"),
        headers: vec![("authorization", "canary".to_owned())],
        body: b"canary".to_vec(),
    };
    let shown = format!("{post:?} {post:#?}");
    assert!(shown.contains("pages.example") && shown.contains("authorization"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
    // 99, 97, 110 … as a list of bytes.
    assert!(!shown.contains("99"), "{shown}");
}

/// All that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// However much is logged, by whatever library.
#[tokio::test]
async fn no_log_holds_a_secret() {
    let log = Log::default();
    let kept = log.clone();
    let lines = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
    lines.with_writer(move || kept.clone()).init();
    assert_eq!(attempt(Answer::With(200, &[]), PATIENCE).await, Attempt::Taken);
    assert!(matches!(attempt(Answer::Reset, PATIENCE).await, Attempt::Failed { .. }));
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("127.0.0.1"), "the libraries are heard: {text}");
    for secret in ["canary", "secret"] {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}
