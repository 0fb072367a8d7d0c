//! The page: files that are part of the program, for a browser that reads the API.
//!
//! The files need no token and contain nothing about the cluster. Each answer forbids the browser everything that the
//! page does not need: markup from texts, inline scripts and styles, frames, forms, and requests to anybody else.

use axum::Router;
use axum::extract::Path;
use axum::handler::Handler;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::entity_tags::if_none_match_names;
use super::problem::{Problem, quoted};
use super::query::refuse_unknown;
use edge_cache_api::ProblemType;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the page.
#[derive(Debug)]
struct File {
    name: &'static str,
    media_type: &'static str,
    content: &'static str,
}

macro_rules! file {
    ($name:literal, $media_type:ident) => {
        File {
            name: $name,
            media_type: $media_type,
            content: include_str!(concat!("../../page/", $name)),
        }
    };
}

/// The document, at `/`.
static DOCUMENT: File = file!("index.html", HTML);

/// The files that the document loads, below `/page/`.
static FILES: [File; 13] = [
    file!("api.js", JS),
    file!("app.js", JS),
    file!("icon.svg", SVG),
    file!("json.js", JS),
    file!("panels.js", JS),
    file!("progress.js", JS),
    file!("refresh.js", JS),
    file!("rows.js", JS),
    file!("state.js", JS),
    file!("stream.js", JS),
    file!("style.css", CSS),
    file!("tables.js", JS),
    file!("words.js", JS),
];

/// The headers of every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    // A browser asks each time whether its copy is that of the agent that runs now.
    (CACHE_CONTROL, "no-cache"),
];

/// Builds the routes of the page. `no_such_method` answers methods that are not for reading.
pub(super) fn routes<T, S>(no_such_method: impl Handler<T, S>) -> Router<S>
where
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/", get(show_document))
        .route("/page/{file}", get(show_file))
        .method_not_allowed_fallback(no_such_method)
        .layer(map_response(harden))
}

async fn show_document(uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    DOCUMENT.answer(&uri, &headers)
}

async fn show_file(
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let file = FILES.iter().find(|file| file.name == name);
    let file = file.ok_or_else(|| {
        let detail = format!("the page has no file {}", quoted(&name));
        Problem::new(ProblemType::NoSuchRoute, detail)
    })?;
    file.answer(&uri, &headers)
}

impl File {
    fn answer(&self, uri: &Uri, headers: &HeaderMap) -> Result<Response, Problem> {
        refuse_unknown(uri, &[])?;
        let digest = hex::encode(Sha256::digest(self.content));
        let tag = format!("\"{digest}\"");
        let response = if if_none_match_names(headers, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(CONTENT_TYPE, self.media_type)], self.content).into_response()
        };
        // Hexadecimal digits in quotes always are a header.
        Ok(([(ETAG, tag)], response).into_response())
    }
}

async fn harden(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}
