//! Which route a request is for, found before anything is done for it.
//!
//! It is made of the paths and methods that the description has, by the library that axum's router goes by
//! itself. What is not in it never reaches the router, so the two cannot disagree about who may come in.

use axum::extract::Request;
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};

use super::access::{self, Need};
use super::counts::{Place, RequestCounts};
use super::problem;

#[cfg(test)]
mod tests;

/// The routes of a listener.
#[derive(Debug, Clone, Default)]
pub(super) struct Table(matchit::Router<Path>);

#[derive(Debug, Clone)]
struct Path {
    template: String,
    methods: Vec<Taken>,
    /// The names of the methods, as the header `Allow` has them.
    allow: HeaderValue,
}

/// A method that a path takes.
#[derive(Debug, Clone)]
struct Taken {
    method: Method,
    need: Need,
    place: Place,
}

/// What a request is for.
#[derive(Debug)]
pub(super) struct Target<'a> {
    path: Option<&'a Path>,
    /// What it needs; none where nothing takes it: there is no such path, or no such method of it.
    pub(super) need: Option<Need>,
    pub(super) place: Place,
}

impl Table {
    /// The table of these paths, each with its methods; `GET` stands for `HEAD` too.
    pub(super) fn new(
        paths: impl IntoIterator<Item = (String, Vec<Method>)>,
        counts: &RequestCounts,
    ) -> Self {
        let mut table = matchit::Router::new();
        for (template, methods) in paths {
            let path = Path::new(template.clone(), methods, counts);
            if let Err(error) = table.insert(template, path) {
                tracing::error!(%error, "a route stays closed");
            }
        }
        Self(table)
    }

    /// What a request is for.
    pub(super) fn find(&self, request: &Request, counts: &RequestCounts) -> Target<'_> {
        let method = request.method();
        let path = self.0.at(request.uri().path()).ok();
        let path = path.map(|matched| matched.value);
        let mut methods = path.iter().flat_map(|path| &path.methods);
        match methods.find(|taken| taken.method == *method) {
            Some(taken) => Target {
                path,
                need: Some(taken.need),
                place: taken.place,
            },
            None => Target {
                path,
                need: None,
                place: counts.place(path.map(|path| path.template.as_str()), method),
            },
        }
    }
}

impl Path {
    fn new(template: String, methods: Vec<Method>, counts: &RequestCounts) -> Self {
        let with_head = |method| {
            let head = (method == Method::GET).then_some(Method::HEAD);
            [Some(method), head].into_iter().flatten()
        };
        let methods: Vec<Method> = methods.into_iter().flat_map(with_head).collect();
        let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
        // Methods are tokens, which every header takes.
        let allow = HeaderValue::try_from(names.join(",")).ok();
        let taken = methods.into_iter().map(|method| Taken {
            need: access::need(&template, &method),
            place: counts.place(Some(&template), &method),
            method,
        });
        Self {
            methods: taken.collect(),
            allow: allow.unwrap_or_else(|| HeaderValue::from_static("")),
            template,
        }
    }
}

impl<'a> Target<'a> {
    /// The template of its path.
    pub(super) fn route(&self) -> Option<&'a str> {
        self.path.map(|path| path.template.as_str())
    }

    /// The answer where nothing takes it.
    pub(super) fn refusal(&self, request: &Request) -> Option<Response> {
        if self.need.is_some() {
            return None;
        }
        let Some(path) = self.path else {
            return Some(problem::no_such_route(request).into_response());
        };
        let refused = problem::no_such_method(request);
        Some(([(ALLOW, path.allow.clone())], refused).into_response())
    }
}
