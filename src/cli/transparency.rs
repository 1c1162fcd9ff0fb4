//! `urgence transparency`: what a service that runs may tell the public, as a file.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::EXIT_USAGE;
use crate::core::Timestamp;
use crate::core::transparency::Period;
use crate::grpc::client::{self, Connection, Exported, Wanted};
use crate::transparency::{Format, written};

/// What to ask for, of whom, and what to write it as.
#[derive(Args)]
pub(super) struct TransparencyArguments {
    /// The service, such as `https://urgence.example:50051`; http only on the machine that it runs on.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:50051")]
    connect: String,
    /// The certificates (PEM) of those who may say that it is the service; for https.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The caller's certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The key of that certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The desk; the first one, if not given.
    #[arg(long, default_value = "")]
    desk: String,
    /// The first day of the period, such as 2026-01-01; days begin at midnight, universal time.
    #[arg(long, value_name = "DATE")]
    from: Date,
    /// The first day after it, such as 2026-07-01.
    #[arg(long, value_name = "DATE")]
    to: Date,
    /// csv, json or html.
    #[arg(long, default_value = "csv")]
    format: Format,
    /// Fewer requests than these are too few to be told; what the desk's policy says, if not given.
    #[arg(long, value_name = "REQUESTS")]
    min_cell: Option<u32>,
    /// Write it to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &TransparencyArguments) -> ExitCode {
    let complain = |problem: &str, code| {
        _ = writeln!(std::io::stderr(), "{problem}");
        code
    };
    let period = match (midnight(arguments.from), midnight(arguments.to)) {
        (Some(from), Some(to)) => Period { from, to },
        _ => return complain("a period lies between 1970 and 9999", ExitCode::from(EXIT_USAGE)),
    };
    let exported = match ask(arguments, period) {
        Ok(exported) => exported,
        Err(problem) => return complain(&problem, ExitCode::FAILURE),
    };
    let text = written(&exported.desk, &exported.report, arguments.format);
    if let Some(file) = &arguments.out {
        if let Err(error) = std::fs::write(file, text) {
            return complain(&format!("{}: {error}", file.display()), ExitCode::FAILURE);
        }
    } else {
        // A reader that has gone away, such as `head`, is no failure of ours.
        _ = std::io::stdout().write_all(text.as_bytes());
    }
    if exported.unreadable > 0 {
        let count = exported.unreadable;
        let problem = format!("{count} stored cases could not be read; the report may lack some");
        return complain(&problem, ExitCode::FAILURE);
    }
    ExitCode::SUCCESS
}

/// The instant at which a day begins; `None` before 1970.
fn midnight(day: Date) -> Option<Timestamp> {
    let begins_at = day.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
    u64::try_from(begins_at).ok().map(Timestamp::from_millis)
}

fn ask(arguments: &TransparencyArguments, period: Period) -> Result<Exported, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let connection = Connection {
        address: &arguments.connect,
        ca: arguments.ca.as_deref(),
        identity: arguments.cert.as_deref().zip(arguments.key.as_deref()),
    };
    let wanted = Wanted { desk: &arguments.desk, period, min_cell: arguments.min_cell };
    let exporting = client::export_transparency(&connection, &wanted);
    runtime.block_on(exporting).map_err(|error| error.to_string())
}
