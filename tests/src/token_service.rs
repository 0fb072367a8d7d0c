//! A token service for Debian's registry, by the token authentication specification of distribution.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Url;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::json;

use crate::proxies::Server;
use crate::registry::{self, PASSWORD, USER};

const ISSUER: &str = "tests";
const SERVICE: &str = "registry-of-the-tests";
/// The time for which a token is valid, in seconds.
const VALID: u64 = 300;

/// A token service in the test's process, which serves until the test's runtime ends.
#[derive(Debug, Clone)]
pub struct TokenService {
    address: SocketAddr,
    /// The certificate that proves the tokens, as PEM.
    certificate: String,
    issued: Arc<Mutex<Vec<String>>>,
}

/// The key that signs tokens, and its certificate as `x5c` holds it.
struct Issuer {
    service: TokenService,
    key: EcdsaKeyPair,
    chain: String,
}

impl TokenService {
    /// Starts a service that gives tokens for the user name and the password of the tests.
    ///
    /// # Errors
    ///
    /// There is no free port or no random number.
    pub async fn start() -> Result<Self> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([ISSUER.to_string()])?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let service = Self {
            address: listener.local_addr()?,
            certificate: cert.pem(),
            issued: Arc::default(),
        };
        let key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &signing_key.serialize_der(),
            &SystemRandom::new(),
        );
        let issuer = Arc::new(Issuer {
            service: service.clone(),
            key: key.map_err(|error| anyhow!("{error}"))?,
            chain: STANDARD.encode(cert.der()),
        });
        let routes = Router::new().fallback(answer).with_state(issuer);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(service)
    }

    /// Starts Debian's registry, which wants tokens of this service; none where it is missing.
    ///
    /// # Errors
    ///
    /// With what it said, where it does not start.
    pub async fn registry(&self) -> Result<Option<Server>> {
        let realm = format!("http://{}/token", self.address);
        let registry = registry::debian(|folder| {
            let file = folder.join("issuer.pem");
            fs::write(&file, &self.certificate)?;
            Ok(format!(
                "auth:\n  token:\n    realm: {realm}\n    service: {SERVICE}\n    issuer: {ISSUER}\n    rootcertbundle: {}\n",
                file.display()
            ))
        });
        registry.await
    }

    /// Returns all tokens that were given.
    #[must_use]
    pub fn issued(&self) -> Vec<String> {
        let issued = self.issued.lock();
        issued.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Issuer {
    /// Returns a token for a scope: `repository:NAME:ACTIONS`.
    fn token(&self, scope: &str) -> Option<String> {
        let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let actions: Vec<&str> = actions.split(',').collect();
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [self.chain]});
        let claims = json!({
            "iss": ISSUER,
            "sub": USER,
            "aud": SERVICE,
            "exp": now.saturating_add(VALID),
            "nbf": now.saturating_sub(VALID),
            "iat": now,
            "jti": format!("{now}-{scope}"),
            "access": [{"type": "repository", "name": name, "actions": actions}],
        });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

async fn answer(State(issuer): State<Arc<Issuer>>, request: Request) -> Response {
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let given = request.headers().get(AUTHORIZATION);
    if given.is_none_or(|given| given.as_bytes() != basic.as_bytes()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let url = Url::parse(&format!("http://{ISSUER}{}", request.uri())).ok();
    let scope = url.and_then(|url| {
        let mut pairs = url.query_pairs();
        let found = pairs.find(|(key, _)| key == "scope");
        found.map(|(_, scope)| scope.into_owned())
    });
    let Some(token) = scope.and_then(|scope| issuer.token(&scope)) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let issued = issuer.service.issued.lock();
    issued
        .unwrap_or_else(PoisonError::into_inner)
        .push(token.clone());
    json!({"token": token, "expires_in": VALID})
        .to_string()
        .into_response()
}
