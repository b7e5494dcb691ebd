//! What an adapter is called and what its device can do, as far as kernels are chosen by it.

/// `GPUAdapterInfo`, as pages pass it on; natively the driver, nothing, and the adapter's name.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdapterName {
    /// Who made it; may be empty.
    pub vendor: String,
    /// Its family; may be empty.
    pub architecture: String,
    /// Its name, where the browser tells it.
    pub description: String,
    /// The browser calls it a fallback.
    pub is_fallback: bool,
}

/// What software adapters call themselves.
const SOFTWARE: [&str; 5] = ["swiftshader", "llvmpipe", "lavapipe", "warp", "basic render"];

/// Whose large cards were measured (`bench/results`): integer products in two planes were the quickest in all shapes, and
/// many small workgroups quicker than few that share what they read.
const LARGE: [&str; 1] = ["nvidia"];

impl AdapterName {
    /// It computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.is_fallback || self.is_one_of(&SOFTWARE)
    }

    /// What was the quickest on large cards is taken there before anything is measured.
    pub fn is_large(&self) -> bool {
        self.is_one_of(&LARGE)
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        let words = format!("{} {} {}", self.vendor, self.architecture, self.description).to_lowercase();
        names.iter().any(|name| words.contains(name))
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

/// What the device can do.
#[derive(Clone, Debug)]
pub struct Caps {
    /// Kernels may use subgroup operations.
    pub subgroups: bool,
    /// Lanes of the smallest subgroup; 0 without subgroups.
    pub subgroup_min: u32,
    /// Kernels may use 16-bit floats.
    pub f16: bool,
    /// Kernels may multiply four bytes by four in one instruction; natively naga writes several where there is none.
    pub dot: bool,
    /// Dispatches can be timed one by one.
    pub timestamps: bool,
    /// Bytes of the largest buffer a kernel can bind.
    pub max_binding: u64,
    /// A software adapter: right results, slowly.
    pub is_software: bool,
    /// What it calls itself.
    pub adapter: AdapterName,
}
