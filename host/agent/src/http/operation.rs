//! What the API does: one operation for each method of each path, described where it is written.
//!
//! Functions are called as they are, by axum's trait for them: its router would look for the path once more, and put
//! each answer in several boxes.

use std::sync::Arc;

use axum::extract::Request;
use axum::handler::Handler as AxumHandler;
use axum::http::Method;
use axum::response::Response;
use futures_util::future::BoxFuture;
use utoipa::openapi::path::PathItem;
use utoipa_axum::router::UtoipaMethodRouter;

use super::AppState;

/// Answers requests, whatever state that takes.
pub(super) type Handler = Arc<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>;

/// One method of one path.
pub(super) struct Operation {
    /// The path, with names for what varies.
    pub(super) template: String,
    pub(super) method: Method,
    pub(super) handler: Handler,
}

/// An operation with its description, before there is a state. What makes one is [`described!`].
pub(super) struct Described {
    pub(super) description: UtoipaMethodRouter<AppState>,
    pub(super) with_state: fn(AppState) -> Handler,
}

/// Operations by the functions that do them, which say of themselves which path and method they are.
macro_rules! described {
    ($($module:ident::$function:ident),+ $(,)?) => {
        vec![$($crate::http::operation::Described {
            description: utoipa_axum::routes!($module::$function),
            with_state: |state| $crate::http::operation::handler($module::$function, state),
        }),+]
    };
}
pub(super) use described;

impl Described {
    /// Its path and its method; more of them where its description names more.
    pub(super) fn paths(&self) -> Vec<(String, Method)> {
        let (_, described, _) = &self.description;
        let paths = described.paths.iter().flat_map(|(template, item)| {
            let methods = methods(item).into_iter().flatten();
            methods.map(|method| (template.clone(), method))
        });
        paths.collect()
    }

    /// What it is on this state.
    pub(super) fn operations(&self, state: &AppState) -> impl Iterator<Item = Operation> + use<> {
        let handler = (self.with_state)(state.clone());
        let paths = self.paths().into_iter();
        paths.map(move |(template, method)| Operation {
            template,
            method,
            handler: handler.clone(),
        })
    }
}

/// A function of axum's kind with its state.
pub(super) fn handler<T, S>(
    function: impl AxumHandler<T, S, Future = BoxFuture<'static, Response>>,
    state: S,
) -> Handler
where
    S: Clone + Send + Sync + 'static,
{
    Arc::new(move |request| function.clone().call(request, state.clone()))
}

fn methods(item: &PathItem) -> [Option<Method>; 4] {
    [
        item.get.as_ref().map(|_| Method::GET),
        item.post.as_ref().map(|_| Method::POST),
        item.put.as_ref().map(|_| Method::PUT),
        item.delete.as_ref().map(|_| Method::DELETE),
    ]
}
