//! The component of a policy: exports and imports of `wit/policy`, of which [`export!`](crate::export) makes use.

use std::cell::OnceCell;
use std::marker::PhantomData;
use std::thread::LocalKey;

use bindings::exports::zlayer::edge_cache_policy::policy::{Candidate, Guest};
use bindings::wasi::config::store;
use bindings::wasi::logging::logging::Level;
use bindings::zlayer::edge_cache::types::{Label, NodeCapacity};

use crate::{Labels, NodeId, Policy, Settings};

#[allow(
    missing_docs,
    unsafe_code,
    reason = "wit-bindgen's code talks to the host through raw memory, and documents what the WIT documents"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: ["wit", "wit/policy"],
        world: "zlayer:edge-cache-policy/edge-cache-policy",
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "edge_cache_sdk::component::bindings",
        additional_derives: [PartialEq, Eq],
    });
}

/// A policy, made once for each instance, or the reason why its settings are invalid.
pub type Made<P> = OnceCell<Result<P, String>>;

/// Holds the policy of a component. [`export!`](crate::export) implements it.
pub trait Held: Policy + 'static {
    /// Returns the place of the policy.
    fn place() -> &'static LocalKey<Made<Self>>;
}

/// The exports of a component, by its policy.
#[derive(Debug)]
pub struct Exports<P>(PhantomData<P>);

impl<P: Held> Exports<P> {
    /// Calls the policy, which is made before the first call.
    fn with<R>(call: impl FnOnce(&Result<P, String>) -> R) -> R {
        P::place().with(|made| call(made.get_or_init(make)))
    }
}

impl<P: Held> Guest for Exports<P> {
    fn admit(node_id: NodeId, capacity: NodeCapacity) -> Result<NodeCapacity, String> {
        Self::with(|policy| policy.as_ref()?.admit(node_id, capacity))
    }

    fn assess(
        node_id: NodeId,
        labels: Vec<Label>,
        default: Option<Candidate>,
    ) -> Option<Candidate> {
        let labels = Labels::new(labels);
        Self::with(|policy| match policy {
            Ok(policy) => policy.assess(node_id, &labels, default),
            #[expect(clippy::panic, reason = "the host refuses a plugin that fails to load")]
            Err(error) => panic!("{error}"),
        })
    }
}

/// Makes a policy, and logs why it cannot be made. From then on the log has the texts of panics, on every target.
fn make<P: Policy>() -> Result<P, String> {
    #[cfg(target_family = "wasm")]
    std::panic::set_hook(Box::new(|panic| {
        crate::log(Level::Error, &panic.to_string())
    }));
    let pairs = store::get_all().map_err(|error| format!("cannot read the settings: {error:?}"));
    let made = pairs.and_then(|pairs| {
        let settings = Settings::of_plugin(pairs);
        settings.expect_only(P::SETTINGS)?;
        P::new(&settings)
    });
    made.inspect_err(|error| crate::log(Level::Error, error))
}

/// Makes the component of a type that implements [`Policy`](crate::Policy). A crate exports one policy.
///
/// Natively, where the policy is tested, nothing is exported.
#[macro_export]
macro_rules! export {
    ($policy:ty) => {
        const _: () = {
            ::std::thread_local! {
                static POLICY: $crate::component::Made<$policy> =
                    const { ::std::cell::OnceCell::new() };
            }

            impl $crate::component::Held for $policy {
                fn place() -> &'static ::std::thread::LocalKey<$crate::component::Made<Self>> {
                    &POLICY
                }
            }

            #[cfg(not(target_family = "wasm"))]
            const _: fn(
                &$crate::Settings,
            ) -> ::std::result::Result<$policy, ::std::string::String> =
                <$policy as $crate::Policy>::new;
            #[cfg(target_family = "wasm")]
            type Exports = $crate::component::Exports<$policy>;
            #[cfg(target_family = "wasm")]
    $crate::component::bindings::export!(Exports with_types_in $crate::component::bindings);
        };
    };
}
