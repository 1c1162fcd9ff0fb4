//! Does Redis keep what was promised? Its settings and its own report are asked, not believed in.

use std::collections::HashMap;

use redis::RedisResult;
use redis::aio::MultiplexedConnection;

use super::endpoints::describe;
use crate::core::words;

words! {
    /// A loss that the operator has accepted in writing, in the configuration.
    pub enum AcceptedLoss {
        /// Redis writes to disk once a second: a crash loses up to a second of accepted requests.
        OneSecond = "one-second",
        /// Redis keeps nothing on disk: a restart of it loses everything. For trying things.
        Everything = "everything",
        /// Redis does not let its settings be read: the operator answers for them.
        Unverified = "unverified",
    }
}

/// What was found, and whether it is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durability {
    /// One finding for each thing that was looked at.
    pub findings: Vec<Finding>,
}

/// One thing that durability takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The setting, as Redis names it.
    pub setting: &'static str,
    /// Whether it is as it must be.
    pub is_kept: bool,
    /// Whether the operator has accepted what it costs if not.
    pub is_accepted: bool,
    /// What was found and what is needed.
    pub explanation: String,
}

impl Durability {
    /// What stands against serving, in words; empty when nothing does.
    #[must_use]
    pub fn problems(&self) -> Vec<&str> {
        self.findings
            .iter()
            .filter(|finding| !finding.is_kept && !finding.is_accepted)
            .map(|finding| finding.explanation.as_str())
            .collect()
    }
}

/// What is looked at, in the order of the findings.
pub(super) const SETTINGS: [&str; 6] = [
    "version",
    "appendonly",
    "appendfsync",
    "no-appendfsync-on-rewrite",
    "maxmemory-policy",
    "aof_last_write_status",
];

/// Looks at everything.
pub(super) async fn check(
    connection: &mut MultiplexedConnection,
    accepted: &[AcceptedLoss],
) -> RedisResult<Durability> {
    let info: String = redis::cmd("INFO").query_async(connection).await?;
    let settings: RedisResult<HashMap<String, String>> =
        redis::cmd("CONFIG").arg("GET").arg(&SETTINGS[1..5]).query_async(connection).await;
    let settings = match settings {
        Ok(settings) => Ok(settings),
        // A connection that fails says nothing of the settings; a refusal does.
        Err(error) if error.is_io_error() || error.is_timeout() => return Err(error),
        Err(error) => Err(describe(&error)),
    };
    Ok(assess(&info, settings.as_ref(), accepted))
}

fn assess(
    info: &str,
    settings: Result<&HashMap<String, String>, &String>,
    accepted: &[AcceptedLoss],
) -> Durability {
    let informed = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    let has_accepted = |loss: AcceptedLoss| accepted.contains(&loss);
    let is_nothing_kept = has_accepted(AcceptedLoss::Everything);
    let mut findings = Vec::new();
    let mut finding = |setting, is_kept, is_accepted, explanation| {
        findings.push(Finding { setting, is_kept, is_accepted, explanation });
    };

    let version = informed("redis_version").unwrap_or("unknown");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    finding(
        SETTINGS[0],
        major.is_some_and(|major| major >= 7),
        false,
        format!("Redis is version {version}; 7.0 or later is needed"),
    );
    for (setting, wanted, loss) in [
        (SETTINGS[1], "yes", AcceptedLoss::Everything),
        (SETTINGS[2], "always", AcceptedLoss::OneSecond),
        (SETTINGS[3], "no", AcceptedLoss::OneSecond),
        (SETTINGS[4], "noeviction", AcceptedLoss::Everything),
    ] {
        match settings {
            Ok(settings) => {
                let found = settings.get(setting).map_or("unknown", String::as_str);
                // Once a second is a loss that has a name; never is not that loss.
                let is_one_second = setting != SETTINGS[2] || found == "everysec";
                let is_accepted = is_nothing_kept || has_accepted(loss) && is_one_second;
                let command = format!("CONFIG SET {setting} {wanted}");
                let explanation = format!("{setting} is {found}; {wanted} is needed ({command})");
                finding(setting, found == wanted, is_accepted, explanation);
            }
            Err(problem) => finding(
                setting,
                false,
                is_nothing_kept || has_accepted(AcceptedLoss::Unverified),
                format!("{setting} cannot be read ({problem}); allow CONFIG GET"),
            ),
        }
    }
    let status = informed("aof_last_write_status").unwrap_or("unknown");
    finding(
        SETTINGS[5],
        status == "ok",
        is_nothing_kept,
        format!(
            "the last write of the append-only file was {status}; look at Redis's disk and log"
        ),
    );
    Durability { findings }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD_INFO: &str = "redis_version:7.0.15\r\naof_last_write_status:ok\r\n";

    fn settings(changed: &[(&str, &str)]) -> HashMap<String, String> {
        let good = [
            ("appendonly", "yes"),
            ("appendfsync", "always"),
            ("no-appendfsync-on-rewrite", "no"),
            ("maxmemory-policy", "noeviction"),
        ];
        good.iter().chain(changed).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[track_caller]
    fn check(info: &str, changed: &[(&str, &str)], accepted: &[AcceptedLoss], wanted: &[&str]) {
        let found = assess(info, Ok(&settings(changed)), accepted);
        assert_eq!(found.findings.len(), SETTINGS.len());
        let problems: Vec<_> = found
            .findings
            .iter()
            .filter(|finding| !finding.is_kept && !finding.is_accepted)
            .map(|finding| finding.setting)
            .collect();
        assert_eq!(problems, wanted);
    }

    #[test]
    fn each_setting_is_looked_at() {
        check(GOOD_INFO, &[], &[], &[]);
        check("redis_version:6.2.0\r\naof_last_write_status:ok", &[], &[], &["version"]);
        check(
            "redis_version:7.2.0\r\naof_last_write_status:err",
            &[],
            &[],
            &["aof_last_write_status"],
        );
        for (setting, wrong) in [
            ("appendonly", "no"),
            ("appendfsync", "everysec"),
            ("no-appendfsync-on-rewrite", "yes"),
            ("maxmemory-policy", "allkeys-lru"),
        ] {
            check(GOOD_INFO, &[(setting, wrong)], &[], &[setting]);
        }
    }

    #[test]
    fn only_the_accepted_loss_is_let_through() {
        let everysec = ("appendfsync", "everysec");
        check(GOOD_INFO, &[everysec], &[AcceptedLoss::OneSecond], &[]);
        check(GOOD_INFO, &[("appendfsync", "no")], &[AcceptedLoss::OneSecond], &["appendfsync"]);
        check(GOOD_INFO, &[everysec], &[AcceptedLoss::Unverified], &["appendfsync"]);
        check(GOOD_INFO, &[("appendonly", "no")], &[AcceptedLoss::OneSecond], &["appendonly"]);
        check(GOOD_INFO, &[("appendonly", "no"), everysec], &[AcceptedLoss::Everything], &[]);
    }

    #[test]
    fn settings_that_cannot_be_read_are_not_taken_for_good() {
        let refused = "NOPERM".to_owned();
        assert_eq!(assess(GOOD_INFO, Err(&refused), &[]).problems().len(), 4);
        let accepted = [AcceptedLoss::Unverified];
        assert!(assess(GOOD_INFO, Err(&refused), &accepted).problems().is_empty());
    }
}
