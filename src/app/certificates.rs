//! Keeps the certificates in force those of the files.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::transport::Tls;

/// How often the files are looked at, for those who renew certificates and tell nobody.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often everybody who is connected is verified again, though nothing was replaced.
const VERIFY_EVERY: Duration = Duration::from_mins(1);

/// Reads the files again at every SIGHUP, and whenever what they hold has changed.
pub(super) async fn follow(tls: Option<Arc<Tls>>) {
    let Some(tls) = tls else { return std::future::pending().await };
    let mut hangups = signal(SignalKind::hangup());
    if hangups.is_err() {
        tracing::error!("SIGHUP cannot be listened for; certificates are looked at all the same");
    }
    tls.show();
    let mut looks = interval(LOOK_EVERY);
    let mut verifications = interval(VERIFY_EVERY);
    for rhythm in [&mut looks, &mut verifications] {
        rhythm.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        let work: fn(&Tls) = tokio::select! {
            () = next(&mut hangups) => |tls| _ = tls.reload(),
            _ = looks.tick() => |tls| _ = tls.refresh(),
            _ = verifications.tick() => Tls::verify_connected,
        };
        beside(&tls, work).await;
    }
}

async fn next(hangups: &mut std::io::Result<Signal>) {
    match hangups {
        Ok(hangups) => _ = hangups.recv().await,
        Err(_) => std::future::pending().await,
    }
}

/// Beside the runtime, as thousands of signatures may have to be verified. It tells by itself what is wrong.
async fn beside(tls: &Arc<Tls>, work: fn(&Tls)) {
    let tls = Arc::clone(tls);
    // It panicked, which has been logged where it happened.
    _ = tokio::task::spawn_blocking(move || work(&tls)).await;
}
