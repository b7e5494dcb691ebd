//! How a WebGPU device is come by: the adapter, what is asked of it, and what it reports when it fails.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};

use super::{BROWSER, Gpu, GpuOptions, moves, note, one_line};
use crate::bail;
use crate::base::error::{Code, Error, Result};
use crate::device::options::no_adapter;
use crate::kernels::choose::{AdapterName, Caps};

impl Gpu {
    /// The adapter the browser or system prefers, with the largest limits it offers.
    /// `NoWebgpu` where there is none, `AdapterTooSmall` where its limits do not hold the kernels.
    pub async fn request(options: GpuOptions) -> Result<Self> {
        let adapter = adapter().await?;
        let limits = adapter.limits();
        if limits.max_storage_buffers_per_shader_stage < 8
            || limits.max_compute_workgroup_storage_size < 16_384
            || limits.max_compute_invocations_per_workgroup < 128
        {
            bail!(
                AdapterTooSmall,
                "The adapter '{}' is below WebGPU's default limits; use another graphics card, or load with backend \"cpu\".",
                adapter.get_info().name
            );
        }
        let offered = adapter.features();
        let subgroups = options.subgroups && (BROWSER || offered.contains(wgpu::Features::SUBGROUP));
        let f16 = options.f16 && offered.contains(wgpu::Features::SHADER_F16);
        let mut features = wgpu::Features::empty();
        // wgpu has no mapping of this feature in a browser: there the page adds it to the request.
        features.set(wgpu::Features::SUBGROUP, subgroups && !BROWSER);
        features.set(wgpu::Features::SHADER_F16, f16);
        let timestamps = offered.contains(wgpu::Features::TIMESTAMP_QUERY);
        features.set(wgpu::Features::TIMESTAMP_QUERY, timestamps);
        #[cfg(not(target_arch = "wasm32"))]
        let spoiled = options.spoiled.clone();
        let (device, queue) = device(&adapter, features, limits.clone()).await?;
        let failure = watch(&device);
        let info = adapter.get_info();
        let name = options.adapter.unwrap_or_else(|| AdapterName {
            vendor: [info.driver.as_str(), &info.driver_info].join(" ").trim().to_string(),
            architecture: String::new(),
            description: info.name.clone(),
            is_fallback: info.device_type == wgpu::DeviceType::Cpu,
        });
        let caps = Caps {
            subgroups,
            // 4 is the smallest there is, where the adapter does not say.
            subgroup_min: if subgroups { info.subgroup_min_size.max(4) } else { 0 },
            f16,
            dot: options.dot,
            timestamps,
            max_binding: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
            is_software: name.is_software(),
            adapter: name,
        };
        let passage = moves::passage(&device);
        Ok(Gpu {
            caps,
            device,
            queue,
            buffers: Vec::new(),
            labels: Vec::new(),
            vacant: Vec::new(),
            bytes: 0,
            pipelines: RefCell::default(),
            ahead: Default::default(),
            failure,
            staging: RefCell::default(),
            passage,
            #[cfg(not(target_arch = "wasm32"))]
            spoiled,
            objects_made: Cell::new(0),
        })
    }
}

async fn adapter() -> Result<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = match BROWSER {
        true => wgpu::Backends::BROWSER_WEBGPU,
        false => wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12,
    };
    let options =
        wgpu::RequestAdapterOptions { power_preference: wgpu::PowerPreference::HighPerformance, ..Default::default() };
    wgpu::Instance::new(descriptor).request_adapter(&options).await.map_err(|e| {
        // In a browser, what wgpu adds is a list of what is no browser's.
        if BROWSER {
            return no_adapter();
        }
        let message = format!(
            "There is no Vulkan, Metal or D3D12 adapter ({}); update the graphics driver, or load with backend \"cpu\".",
            one_line(&e.to_string())
        );
        Error::new(Code::NoWebgpu, message)
    })
}

async fn device(
    adapter: &wgpu::Adapter,
    features: wgpu::Features,
    limits: wgpu::Limits,
) -> Result<(wgpu::Device, wgpu::Queue)> {
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("sotto"),
        required_features: features,
        required_limits: limits,
        ..Default::default()
    };
    adapter.request_device(&descriptor).await.map_err(|e| {
        let why = one_line(&e.to_string());
        let advice = if BROWSER { "reload the page or restart the browser" } else { "update the graphics driver" };
        Error::new(Code::NoWebgpu, format!("The adapter refused a device ({why}); {advice}."))
    })
}

/// Where the device's first failure is kept until somebody asks.
fn watch(device: &wgpu::Device) -> Arc<Mutex<Option<Error>>> {
    let failure = Arc::new(Mutex::new(None));
    let lost = failure.clone();
    device.set_device_lost_callback(move |reason, message| {
        if reason != wgpu::DeviceLostReason::Destroyed {
            note(
                &lost,
                Code::DeviceLost,
                format!("The GPU device was lost ({}); load the model again.", one_line(&message)),
            );
        }
    });
    let failed = failure.clone();
    device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
        let what = one_line(&e.to_string());
        match e {
            wgpu::Error::OutOfMemory { .. } => note(
                &failed,
                Code::OutOfMemory,
                format!("The GPU has no memory for this model ({what}); use a smaller model or context."),
            ),
            _ => note(
                &failed,
                Code::Gpu,
                format!("The GPU refused a command ({what}); please report it with the adapter's name."),
            ),
        }
    }));
    failure
}
