//! Whether this replica makes fingerprints with the key that the others do. With another one nothing
//! fails: requests about the same target, and incidents, only never meet what came in elsewhere.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::AppError;
use crate::core::{DeskName, Fingerprint};
use crate::store::{RedisStore, Store as _};

const RETRY_EVERY: Duration = Duration::from_millis(20);

/// What is compared, and where.
pub(super) struct KeyCheck {
    pub(super) check: Fingerprint,
    /// Where the key was read from.
    pub(super) file: String,
    pub(super) stores: Vec<(DeskName, Arc<RedisStore>)>,
}

impl KeyCheck {
    /// Returns once every desk has answered, or one that the key is another.
    pub(super) async fn run(&self) -> Result<(), AppError> {
        for (desk, store) in &self.stores {
            loop {
                match store.agree_on_key(self.check).await {
                    Ok(true) => break,
                    Ok(false) => {
                        let (file, desk) = (self.file.clone(), desk.clone());
                        return Err(AppError::OtherKey { file, desk });
                    }
                    Err(_) => sleep(RETRY_EVERY).await,
                }
            }
        }
        Ok(())
    }

    /// Like `run`, for a Redis that has not answered at the start; ends if the key is another.
    pub(super) async fn run_late(self) {
        match self.run().await {
            Ok(()) => std::future::pending().await,
            Err(error) => tracing::error!("{error}"),
        }
    }
}
