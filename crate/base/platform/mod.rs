//! What differs between a web page and a native program.

pub mod vector;

use std::borrow::Cow;

pub use web_time::Instant;

/// Whether this runs as WebAssembly in a page.
pub const BROWSER: bool = cfg!(target_arch = "wasm32");

/// Seconds since 1970.
pub fn unix_time() -> i64 {
    since_1970().as_secs() as i64
}

/// Another number at each call, below 2^53: JavaScript's numbers hold it.
pub fn random_seed() -> u64 {
    const MOST: u64 = 1 << 53;
    #[cfg(target_arch = "wasm32")]
    return (js_sys::Math::random() * MOST as f64) as u64;
    #[cfg(not(target_arch = "wasm32"))]
    return since_1970().as_nanos() as u64 % MOST;
}

/// The text with letters and their marks as one character where there is one (Unicode's NFC).
pub fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    #[cfg(target_arch = "wasm32")]
    return String::from(js_sys::JsString::from(text).normalize("NFC")).into();
    #[cfg(not(target_arch = "wasm32"))]
    return unicode_normalization::UnicodeNormalization::nfc(text).collect::<String>().into();
}

/// Bytes of the WebAssembly memory, which never shrinks: so this is its peak. 0 in a native program.
pub fn wasm_bytes() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return core::arch::wasm32::memory_size(0) as u64 * 65_536;
    #[cfg(not(target_arch = "wasm32"))]
    return 0;
}

fn since_1970() -> std::time::Duration {
    web_time::SystemTime::now().duration_since(web_time::UNIX_EPOCH).unwrap_or_default()
}
