//! Mixtures of experts, but for their products. The shaders are in `shaders/experts`.

mod combine;
mod group;
mod route;
