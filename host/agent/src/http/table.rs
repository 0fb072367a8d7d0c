//! Which operation a request is for, found before anything is done for it.
//!
//! What is not in the table is answered here: no path is reached that is not described, and none without what it
//! needs.

use std::collections::BTreeMap;
use std::fmt;
use std::future::ready;

use axum::extract::Request;
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::access::{self, Need};
use super::operation::{Handler, Operation};
use super::problem;

#[cfg(test)]
mod tests;

/// The operations of a listener.
#[derive(Debug)]
pub(super) struct Table(matchit::Router<Path>);

#[derive(Debug)]
struct Path {
    template: String,
    methods: Vec<Taken>,
    /// The names of the methods, as the header `Allow` has them.
    allow: HeaderValue,
}

/// A method that a path takes.
struct Taken {
    method: Method,
    need: Need,
    handler: Handler,
}

/// What a request is for.
#[derive(Debug)]
pub(super) struct Target<'a> {
    path: Option<&'a Path>,
    /// None where nothing takes it: there is no such path, or no such method of it.
    taken: Option<&'a Taken>,
}

impl Table {
    /// The table of these operations; `GET` stands for `HEAD` too.
    pub(super) fn new(operations: impl IntoIterator<Item = Operation>) -> Self {
        let mut paths: BTreeMap<String, Vec<Taken>> = BTreeMap::new();
        for Operation {
            template,
            method,
            handler,
        } in operations
        {
            let head = (method == Method::GET).then_some(Method::HEAD);
            for method in [Some(method), head].into_iter().flatten() {
                let taken = Taken {
                    need: access::need(&template, &method),
                    handler: handler.clone(),
                    method,
                };
                paths.entry(template.clone()).or_default().push(taken);
            }
        }
        let mut table = matchit::Router::new();
        for (template, methods) in paths {
            let path = Path::new(template.clone(), methods);
            if let Err(error) = table.insert(template, path) {
                tracing::error!(%error, "a route stays closed");
            }
        }
        Self(table)
    }

    /// What a request is for.
    pub(super) fn find(&self, request: &Request) -> Target<'_> {
        let method = request.method();
        let path = self.0.at(request.uri().path()).ok();
        let path = path.map(|matched| matched.value);
        let mut methods = path.iter().flat_map(|path| &path.methods);
        let taken = methods.find(|taken| taken.method == *method);
        Target { path, taken }
    }
}

impl Path {
    fn new(template: String, methods: Vec<Taken>) -> Self {
        let names: Vec<&str> = methods.iter().map(|taken| taken.method.as_str()).collect();
        // Methods are tokens, which every header takes.
        let allow = HeaderValue::try_from(names.join(",")).ok();
        Self {
            allow: allow.unwrap_or_else(|| HeaderValue::from_static("")),
            template,
            methods,
        }
    }
}

impl<'a> Target<'a> {
    /// The template of its path.
    pub(super) fn route(&self) -> Option<&'a str> {
        self.path.map(|path| path.template.as_str())
    }

    /// What it needs; none where nothing takes it, which is said to any token.
    pub(super) fn need(&self) -> Option<Need> {
        self.taken.map(|taken| taken.need)
    }

    /// Answers it, and if only that nothing takes it.
    pub(super) fn answer(&self, request: Request) -> BoxFuture<'static, Response> {
        if let Some(taken) = self.taken {
            return (taken.handler)(request);
        }
        let refusal = match self.path {
            Some(path) => {
                let refused = problem::no_such_method(&request);
                ([(ALLOW, path.allow.clone())], refused).into_response()
            }
            None => problem::no_such_route(&request).into_response(),
        };
        ready(refusal).boxed()
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, need, .. } = self;
        f.debug_struct("Taken")
            .field("method", method)
            .field("need", need)
            .finish_non_exhaustive()
    }
}
