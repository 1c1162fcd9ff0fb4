//! Keeps the certificates in force those of the files.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::transport::Tls;

/// How often the files are looked at, for those who renew certificates and tell nobody.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Reads the files again at every SIGHUP, and whenever what they hold has changed.
pub(super) async fn follow(tls: Option<Arc<Tls>>) {
    let Some(tls) = tls else { return std::future::pending().await };
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        tracing::error!("SIGHUP cannot be listened for; certificates are looked at all the same");
        tls.show();
        return look(&tls).await;
    };
    tls.show();
    loop {
        tokio::select! {
            _ = hangups.recv() => read_again(&tls, true).await,
            () = sleep(LOOK_EVERY) => read_again(&tls, false).await,
        }
    }
}

async fn look(tls: &Arc<Tls>) {
    loop {
        sleep(LOOK_EVERY).await;
        read_again(tls, false).await;
    }
}

/// Beside the runtime, as thousands of signatures may have to be verified.
async fn read_again(tls: &Arc<Tls>, is_asked: bool) {
    let tls = Arc::clone(tls);
    let work = tokio::task::spawn_blocking(move || {
        if is_asked || tls.is_changed() {
            // It tells by itself what is wrong.
            _ = tls.reload();
        }
    });
    // It panicked, which has been logged where it happened.
    _ = work.await;
}
