//! What is seen from outside: metrics and logs.

mod figures;
pub mod logs;
pub mod metrics;

pub use figures::Figures;
