//! The command line.

mod audit;
mod dev_certs;
mod keys;
mod page;
mod policy;
mod simulate;
mod transparency;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{App, AppError};
use crate::config::Settings;
use crate::telemetry;
use crate::telemetry::traces::{Exporter, Exporting};

/// `EX_USAGE`: the operator, not the program, has to change something.
const EXIT_USAGE: u8 = 64;

/// The queue and the clock behind a provider's answer to emergency requests from police.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT.
    Serve(Box<Settings>),
    /// Check or show a policy.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// List or rotate the keys that what is said is sealed with.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Find out whether a contact is reached.
    #[command(subcommand)]
    Page(page::PageCommand),
    /// Check an audit log offline.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Check a receipt offline.
    #[command(subcommand)]
    Receipt(audit::ReceiptCommand),
    /// Plan a night: how many people keep the promise?
    Simulate(Box<simulate::SimulateArguments>),
    /// Make certificates for trying things: a CA, a server, a portal and people. Never for production.
    DevCerts(dev_certs::DevCertsArguments),
    /// Write what may be made public of the requests of a period.
    Transparency(Box<transparency::TransparencyArguments>),
}

/// Runs what the command line asks for.
#[must_use]
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(settings) => serve(settings),
        Command::Policy(command) => policy::run(&command),
        Command::Keys(command) => keys::run(&command),
        Command::Page(command) => page::run(&command),
        Command::Audit(command) => audit::run(&command),
        Command::Receipt(command) => audit::run_receipt(&command),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::DevCerts(arguments) => dev_certs::run(&arguments),
        Command::Transparency(arguments) => transparency::run(&arguments),
    }
}

fn serve(settings: Box<Settings>) -> ExitCode {
    let (format, filter) = (settings.log_format, settings.log.filter());
    let exporter = telemetry::logs::install(format, filter, settings.otlp_endpoint.as_ref());
    let checked = settings.check().and_then(|desks| {
        let (tls, fingerprints) = (settings.transport.tls()?, settings.fingerprints()?);
        Ok((desks, tls, fingerprints, settings.data_keys()?, settings.signing()?))
    });
    let (desks, tls, fingerprints, ring, signing) = match checked {
        Ok(checked) => checked,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if !settings.redis_url.is_empty() && settings.fingerprint_key.is_none() {
        tracing::warn!(
            "the key of the fingerprints is this machine's own; with several replicas give all of \
             them the same one with --fingerprint-key, or only the first of them starts"
        );
    }
    if !settings.redis_url.is_empty() && settings.data_keys.is_none() {
        tracing::warn!(
            "the data keys are this machine's own; with several replicas give all of them the same \
             ones with --data-keys and --key-encryption-key, or none can read what another has sealed"
        );
    }
    let metrics = match telemetry::metrics::install() {
        Ok(metrics) => metrics,
        Err(error) => return failed(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    runtime.block_on(async move {
        let exporting = match exporter.map(Exporter::start).transpose() {
            Ok(exporting) => exporting,
            Err(error) => return failed(&error),
        };
        let building = App::build(*settings, desks, fingerprints, tls, ring, signing, metrics);
        serve_until_stopped(building, exporting).await
    })
}

async fn serve_until_stopped(
    building: impl Future<Output = Result<App, AppError>>,
    exporting: Option<Exporting>,
) -> ExitCode {
    // From now on a SIGHUP, which would end the process, does not: it is heard once all parts run.
    let _hangups = signal(SignalKind::hangup());
    // Listened for from the start, so that a stop while Redis loads its data is heard too.
    let stop = stop_signal();
    tokio::pin!(stop);
    let built = tokio::select! {
        built = building => built,
        () = &mut stop => return ExitCode::SUCCESS,
    };
    let app = match built {
        Ok(app) => app,
        Err(error) => return failed(&error),
    };
    if let Ok((grpc, http)) = app.addresses() {
        tracing::info!(%grpc, %http, "serving");
    }
    let (is_stopping, mut stopping) = tokio::sync::watch::channel(false);
    let run = async {
        let stopping = async {
            stop.await;
            _ = is_stopping.send(true);
        };
        let ran = app.run(stopping).await;
        if let Some(exporting) = exporting {
            exporting.stop().await;
        }
        ran
    };
    let second_signal = async {
        _ = stopping.wait_for(|is_stopping| *is_stopping).await;
        stop_signal().await;
    };
    tokio::select! {
        ran = run => match ran {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        },
        () = second_signal => {
            tracing::warn!("second signal; what still runs is dropped");
            ExitCode::FAILURE
        }
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::FAILURE
}

/// Returns at the first SIGTERM or SIGINT.
async fn stop_signal() {
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signals) => _ = signals.recv().await,
            Err(error) => {
                tracing::error!(%error, "a signal cannot be listened for");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}
