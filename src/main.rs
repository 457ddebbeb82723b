//! The binary; all of it is [`shakedown::main`].

use std::alloc::{GlobalAlloc, Layout};
use std::process::ExitCode;

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc,
    mi_zalloc_aligned,
};

#[global_allocator]
static ALLOCATOR: Mimalloc = Mimalloc;

/// What mimalloc aligns everything to: to ask for it costs a search for a place.
const ALIGNED: usize = 8;

struct Mimalloc;

// SAFETY: mimalloc keeps the contract, with any alignment that a layout may have.
unsafe impl GlobalAlloc for Mimalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match layout.align() <= ALIGNED {
            true => unsafe { mi_malloc(layout.size()).cast() },
            false => unsafe { mi_malloc_aligned(layout.size(), layout.align()).cast() },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match layout.align() <= ALIGNED {
            true => unsafe { mi_zalloc(layout.size()).cast() },
            false => unsafe { mi_zalloc_aligned(layout.size(), layout.align()).cast() },
        }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match layout.align() <= ALIGNED {
            true => unsafe { mi_realloc(place.cast(), size).cast() },
            false => unsafe { mi_realloc_aligned(place.cast(), size, layout.align()).cast() },
        }
    }

    unsafe fn dealloc(&self, place: *mut u8, _: Layout) {
        unsafe { mi_free(place.cast()) }
    }
}

fn main() -> ExitCode {
    shakedown::main()
}
