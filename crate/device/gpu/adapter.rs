//! What is asked of an adapter.

use crate::base::platform::BROWSER;
use crate::kernels::choose::AdapterName;

/// Which adapter features may be used; what the adapter lacks is off whatever is asked.
#[derive(Clone, Debug)]
pub struct GpuOptions {
    /// In a browser also: whether the page made the device with the `subgroups` feature.
    pub subgroups: bool,
    /// Kernels may use 16-bit floats (`shader-f16`).
    pub f16: bool,
    /// In a browser also: whether its language has `packed_4x8_integer_dot_product`.
    pub dot: bool,
    /// How the browser describes the adapter, of which wgpu passes on only part.
    pub adapter: Option<AdapterName>,
}

impl Default for GpuOptions {
    fn default() -> Self {
        GpuOptions { subgroups: !BROWSER, f16: true, dot: !BROWSER, adapter: None }
    }
}
