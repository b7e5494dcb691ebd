//! Attention over the cache. The shaders are in `shaders/attention`.

mod attend;
mod combine;
mod many_rows;
mod reference;
mod single_rows;
