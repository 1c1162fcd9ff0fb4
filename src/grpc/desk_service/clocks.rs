//! Clocks that people move, and pages that people have seen.

use tonic::Status;

use super::{PAGE_CHARS, answer, chosen, epoch};
use crate::core::intake::{Checks, Code, check_optional_text};
use crate::core::{Deed, PageKey};
use crate::desk::Store;
use crate::grpc::convert::words::{clock_kind, pause_reason, settlement};
use crate::grpc::identity::Callers;
use crate::grpc::serve::{Edge, check_required, valid};
use crate::grpc::wire::{self, case_entry::Said};

pub(super) async fn pause_clock<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::PauseClockRequest,
) -> Result<wire::PauseClockResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let epoch = epoch(&mut checks, message.epoch);
    let clock = chosen(&mut checks, "clock", clock_kind::read(message.clock));
    let reason = chosen(&mut checks, "reason", pause_reason::read(message.reason));
    check_optional_text(&mut checks, "note", &message.note, PAGE_CHARS);
    let ((head, epoch), (clock, reason)) = valid(checks, head.zip(epoch).zip(clock.zip(reason)))?;
    let desk = head.desk.clone();
    let said = Said::Clock(wire::ClockEntry { clock: message.clock, reason: message.note });
    let done = head.perform(Deed::PauseClock(epoch, clock, reason), Some(said)).await?;
    let (case, replayed) = answer(desk.name(), &done);
    Ok(wire::PauseClockResponse { case, replayed })
}

pub(super) async fn resume_clock<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::ResumeClockRequest,
) -> Result<wire::ResumeClockResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let epoch = epoch(&mut checks, message.epoch);
    let clock = chosen(&mut checks, "clock", clock_kind::read(message.clock));
    let ((head, epoch), clock) = valid(checks, head.zip(epoch).zip(clock))?;
    let desk = head.desk.clone();
    let done = head.perform(Deed::ResumeClock(epoch, clock), None).await?;
    let (case, replayed) = answer(desk.name(), &done);
    Ok(wire::ResumeClockResponse { case, replayed })
}

pub(super) async fn settle_clock<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::SettleClockRequest,
) -> Result<wire::SettleClockResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let clock = chosen(&mut checks, "clock", clock_kind::read(message.clock));
    let settled = chosen(&mut checks, "settlement", settlement::read(message.settlement));
    check_optional_text(&mut checks, "reason", &message.reason, PAGE_CHARS);
    let (head, (clock, settled)) = valid(checks, head.zip(clock.zip(settled)))?;
    let desk = head.desk.clone();
    let said = Said::Clock(wire::ClockEntry { clock: message.clock, reason: message.reason });
    let done = head.perform(Deed::SettleClock(clock, settled), Some(said)).await?;
    let (case, replayed) = answer(desk.name(), &done);
    Ok(wire::SettleClockResponse { case, replayed })
}

pub(super) async fn acknowledge_page<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::AcknowledgePageRequest,
) -> Result<wire::AcknowledgePageResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let key: Option<PageKey> = message.key.parse().ok();
    if message.key.is_empty() {
        check_required(&mut checks, "key");
    } else if key.is_none() {
        let fix = "send the key as the page gives it: case/clock/cycle/offset in milliseconds";
        checks.violation("key", Code::BadFormat, fix);
    }
    let (head, key) = valid(checks, head.zip(key))?;
    let desk = head.desk.clone();
    let done = head.perform(Deed::AcknowledgePage(key), None).await?;
    let (case, replayed) = answer(desk.name(), &done);
    Ok(wire::AcknowledgePageResponse { case, replayed })
}
