//! What the measurements share: the machine that they run on, and peers that are built when they are asked for. It must
//! never know what is measured.

pub mod machine;
pub mod peers;
