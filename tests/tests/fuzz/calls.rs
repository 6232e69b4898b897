//! Every export as a value that can be drawn, told and run. The groups are in the files beside this one.

use proptest::prelude::*;
use proptest::strategy::Union;

use crate::world::World;

/// Declares an enum with one variant for each export: its weight, its arguments, and how to call it on a world. The
/// last two names are the world and the export itself, so that a variant cannot call another.
macro_rules! calls {
    ($(#[$about:meta])* $group:ident {
        $($weight:literal $module:ident::$export:ident($($arg:ident: $kind:ty),*) |$world:ident, $call:ident| $run:expr;)*
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone)]
        #[allow(non_camel_case_types)]
        pub(crate) enum $group {
            $($export { $($arg: $kind),* },)*
        }

        impl $group {
            pub(crate) const EXPORTS: &[&str] = &[$(stringify!($export)),*];
            pub(crate) const WEIGHT: u32 = 0 $(+ $weight)*;

            pub(crate) fn any() -> proptest::strategy::BoxedStrategy<$group> {
                use proptest::prelude::*;
                let choices = vec![$(
                    ($weight, any::<($($kind,)*)>().prop_map(|($($arg,)*)| $group::$export { $($arg),* }).boxed()),
                )*];
                proptest::strategy::Union::new_weighted(choices).boxed()
            }

            pub(crate) fn run(&self, world: &mut $crate::world::World) -> bough::ffi::results::fs_result {
                match self.clone() {
                    $($group::$export { $($arg),* } => {
                        let ($world, $call) = (world, bough::ffi::$module::$export);
                        // SAFETY: pointers come from references that live through the call, or from the world, which
                        // keeps what is alive only; buffers are as long as is said.
                        #[allow(unused_unsafe)]
                        unsafe { $run }
                    })*
                }
            }
        }
    };
}
pub(crate) use calls;

macro_rules! groups {
    ($($variant:ident = $module:ident::$group:ident;)*) => {
        /// Any call of the C API.
        #[derive(Clone)]
        pub(crate) enum Call {
            $($variant(crate::$module::$group),)*
        }

        impl std::fmt::Debug for Call {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Call::$variant(call) => call.fmt(f),)*
                }
            }
        }

        $(impl From<crate::$module::$group> for Call {
            fn from(call: crate::$module::$group) -> Call {
                Call::$variant(call)
            }
        })*

        impl Call {
            pub(crate) fn any() -> BoxedStrategy<Call> {
                Union::new_weighted(vec![$(
                    (crate::$module::$group::WEIGHT, crate::$module::$group::any().prop_map(Call::$variant).boxed()),
                )*]).boxed()
            }

            pub(crate) fn exports() -> Vec<&'static str> {
                [$(crate::$module::$group::EXPORTS),*].concat()
            }

            /// Runs it, and checks what holds for every result.
            pub(crate) fn run(&self, world: &mut World) -> u32 {
                let result = match self {
                    $(Call::$variant(call) => call.run(world),)*
                };
                world.answered(self, result);
                result
            }
        }
    };
}

groups! {
    Whole = volumes::VolumeCall;
    ByNode = nodes::NodeCall;
    OfContent = content::ContentCall;
    ByPath = paths::PathCall;
    OfWindows = windows::WindowsCall;
    OfOpens = opens::OpensCall;
    OfForeign = foreign::ForeignCall;
}
