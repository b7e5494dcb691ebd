//! Matrix products.

pub mod arranged;
mod by_hand;
pub mod by_head;
mod matmul;
mod matvec;
mod matvec_post;
mod quantize;

use sotto::kernels::face::Face;
use sotto::kernels::table;
use sotto::quant::TensorType;

use crate::experts;
use crate::gpu::Rig;

pub fn run(rig: &mut Rig, format: TensorType) {
    matmul::run(rig, format);
    matvec::run(rig, format);
    by_head::run(rig, format);
    matvec_post::run(rig, format);
    experts::products::run(rig, format);
}

pub use matvec::shared;
pub use quantize::run as quantize;

/// A name for what takes the uniforms and buffers of a kernel.
macro_rules! faces_of {
    ($($(#[$doc:meta])* $name:ident = $kernel:ident;)*) => { $(
        $(#[$doc])*
        trait $name:
            for<'a> Face<Params = table::$kernel::Params, Bind<&'a [u32]> = table::$kernel::Bind<&'a [u32]>>
            + Face<Bind<Vec<u32>> = table::$kernel::Bind<Vec<u32>>>
        {
        }

        impl<V> $name for V where
            V: for<'a> Face<Params = table::$kernel::Params, Bind<&'a [u32]> = table::$kernel::Bind<&'a [u32]>>
                + Face<Bind<Vec<u32>> = table::$kernel::Bind<Vec<u32>>>
        {
        }
    )* };
}

faces_of! {
    /// Multiplies matrices.
    Matmul = matmul;
    /// Multiplies a matrix and single rows.
    Matvec = matvec;
    /// The same after the norm of a projection.
    MatvecPost = matvec_post;
}
