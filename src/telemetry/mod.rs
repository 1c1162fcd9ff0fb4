//! What is seen from outside: metrics, logs and traces.

mod figures;
pub mod logs;
pub mod metrics;
pub mod traces;

pub use figures::Figures;
