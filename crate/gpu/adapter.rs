//! What is asked of an adapter, what it is called, and what its device can do.

use super::BROWSER;

/// Which adapter features may be used; what the adapter lacks is off whatever is asked.
#[derive(Clone, Debug)]
pub struct GpuOptions {
    /// In a browser also: whether the page made the device with the `subgroups` feature.
    pub subgroups: bool,
    pub f16: bool,
    /// In a browser also: whether its language has `packed_4x8_integer_dot_product`.
    pub dot: bool,
    /// How the browser describes the adapter, of which wgpu passes on only part.
    pub adapter: Option<AdapterName>,
}

/// `GPUAdapterInfo`; natively the driver, nothing, and the adapter's name.
#[derive(Clone, Debug, Default)]
pub struct AdapterName {
    pub vendor: String,
    pub architecture: String,
    pub description: String,
    pub is_fallback: bool,
}

/// What software adapters call themselves.
const SOFTWARE: [&str; 5] = ["swiftshader", "llvmpipe", "lavapipe", "warp", "basic render"];

impl AdapterName {
    /// It computes on the CPU.
    pub fn is_software(&self) -> bool {
        let words = format!("{} {} {}", self.vendor, self.architecture, self.description).to_lowercase();
        self.is_fallback || SOFTWARE.iter().any(|s| words.contains(s))
    }
}

impl std::fmt::Display for AdapterName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.description.is_empty() {
            return f.write_str(format!("{} {}", self.vendor, self.architecture).trim());
        }
        f.write_str(&self.description)
    }
}

impl Default for GpuOptions {
    fn default() -> Self {
        GpuOptions { subgroups: !BROWSER, f16: true, dot: !BROWSER, adapter: None }
    }
}

/// What the device can do.
#[derive(Clone, Debug)]
pub struct Caps {
    pub subgroups: bool,
    /// Lanes of the smallest subgroup; 0 without subgroups.
    pub subgroup_min: u32,
    pub f16: bool,
    /// Kernels may multiply four bytes by four in one instruction; natively naga writes several where there is none.
    pub dot: bool,
    /// Dispatches can be timed one by one ([`Gpu::time`]).
    pub timestamps: bool,
    /// Bytes of the largest buffer a kernel can bind.
    pub max_binding: u64,
    /// A software adapter: right results, slowly.
    pub is_software: bool,
    pub adapter: AdapterName,
}
