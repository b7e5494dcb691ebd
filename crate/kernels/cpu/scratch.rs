//! What a thread keeps between jobs, so that kernels allocate nothing.

use std::any::{Any, TypeId};
use std::collections::HashMap;

/// One value of each type that a kernel asked for.
#[derive(Default)]
pub struct Scratch(HashMap<TypeId, Box<dyn Any + Send>>);

impl Scratch {
    /// The value of this type; made the first time.
    pub fn of<T: Any + Default + Send>(&mut self) -> &mut T {
        let any = self.0.entry(TypeId::of::<T>()).or_insert_with(|| Box::<T>::default());
        any.downcast_mut().expect("the value of its own type")
    }
}

/// The first `len` elements, made if need be.
pub fn sized<T: Copy + Default>(vec: &mut Vec<T>, len: usize) -> &mut [T] {
    if vec.len() < len {
        vec.resize(len, T::default());
    }
    &mut vec[..len]
}
