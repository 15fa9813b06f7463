//! What the measurements share: the machine that they run on, peers that are built when they are asked for, and charts. It
//! must never know what is measured.

pub mod chart;
pub mod machine;
pub mod peers;
