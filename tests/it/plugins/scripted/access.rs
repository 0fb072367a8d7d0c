//! Credentials, token services, redirects and mirrors: what a scripted registry gets to know, and what it does not.

use super::*;

#[tokio::test]
async fn credentials_stay_with_their_registry() {
    // Another address of loopback is another host.
    let elsewhere = Scripted::start_at("127.0.0.2:0", |_| None).await.unwrap();
    elsewhere.add("1", &plugin());
    let target = format!("http://{}", elsewhere.address);
    let script = move |seen: &Seen| {
        if seen.authorization.is_none() {
            return Some(challenge("Basic realm=\"r\""));
        }
        let is_blob = seen.path.contains("/blobs/");
        is_blob.then(|| redirect(&format!("{target}{}", seen.path)))
    };
    let registry = Scripted::start(script).await.unwrap();
    registry.add("1", &plugin());
    let host = registry.address.to_string();
    let mut config = quick();
    config.credentials = credentials(&host, USER, PASSWORD).unwrap();
    let pulled = pull_with(config.clone(), &registry).await.unwrap();
    assert_eq!(pulled.component, plugin().component);
    let seen = registry.seen();
    assert_eq!(seen[0].authorization, None);
    assert!(
        seen[1..]
            .iter()
            .all(|seen| seen.authorization.as_deref() == Some(BASIC))
    );
    let seen = elsewhere.seen();
    assert_eq!(seen.len(), 2);
    assert!(
        seen.iter().all(|seen| seen.authorization.is_none()),
        "{seen:?}"
    );

    // Nor does a host get them that asks for them after a redirect.
    let asking = Scripted::start_at("127.0.0.2:0", |_| Some(challenge("Basic realm=\"r\"")));
    let asking = asking.await.unwrap();
    let target = format!("http://{}/x?X-Signature=secret", asking.address);
    let script = move |seen: &Seen| match &seen.authorization {
        None => Some(challenge("Basic realm=\"r\"")),
        Some(_) => Some(redirect(&target)),
    };
    let registry = Scripted::start(script).await.unwrap();
    let host = registry.address.to_string();
    config.credentials = credentials(&host, USER, PASSWORD).unwrap();
    let error = pull_with(config, &registry).await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        format!(
            "the registry `http://{}` refused `acme/plugin:1` with status 401",
            asking.address
        )
    );
    assert!(
        asking
            .seen()
            .iter()
            .all(|seen| seen.authorization.is_none())
    );
}

#[tokio::test]
async fn an_upload_elsewhere_gets_no_credentials() {
    let elsewhere =
        Scripted::start_at("127.0.0.2:0", |_| Some(StatusCode::CREATED.into_response()));
    let elsewhere = elsewhere.await.unwrap();
    // The first upload goes to the other host, the second to one that is not asked.
    let target = format!("http://{}/upload?X-Signature=secret", elsewhere.address);
    let uploads = AtomicUsize::new(0);
    let script = move |seen: &Seen| {
        if seen.authorization.is_none() {
            return Some(challenge("Basic realm=\"r\""));
        }
        let to = match uploads.load(Ordering::Relaxed) {
            0 => target.as_str(),
            _ => "http://registry.example/upload?X-Signature=secret",
        };
        (seen.method == Method::POST).then(|| {
            uploads.fetch_add(1, Ordering::Relaxed);
            (StatusCode::ACCEPTED, [("location", to)]).into_response()
        })
    };
    let registry = Scripted::start(script).await.unwrap();
    let host = registry.address.to_string();
    let mut config = quick();
    config.credentials = credentials(&host, USER, PASSWORD).unwrap();
    let reference = registry.reference("1").parse().unwrap();
    let pushed = client(config).unwrap().push(&reference, &plugin()).await;
    assert_eq!(
        error_chain(&pushed.unwrap_err()),
        format!(
            "the registry `{host}` redirects to `http://registry.example`, and only `https` is followed"
        )
    );
    let digest = plugin().manifest.component.digest.hex();
    let expected = Seen {
        method: Method::PUT,
        path: format!("/upload?X-Signature=secret&digest=sha256%3A{digest}"),
        authorization: None,
    };
    assert_eq!(elsewhere.seen(), [expected]);
}

#[tokio::test]
async fn a_redirect_to_an_unsafe_place_or_without_end_is_not_followed() {
    for (to, shown) in [
        (
            "http://registry.example/x?secret",
            "http://registry.example",
        ),
        ("ftp://127.0.0.1/x", "ftp://127.0.0.1"),
        (
            "https://user:secret@registry.example/x",
            "https://registry.example",
        ),
        ("file:///etc/passwd", "file://"),
    ] {
        refused(
            to_component(move || redirect(to)),
            &format!("the registry `HOST` redirects to `{shown}`, and only `https` is followed"),
        )
        .await;
    }
    refused(
        to_component(|| StatusCode::FOUND.into_response()),
        "the registry `HOST` does not keep to the protocol: a redirect or an upload has no valid `Location`",
    )
    .await;
    let registry = refused(
        |seen| {
            let is_blob = seen.path.contains("/blobs/");
            is_blob.then(|| redirect("?again"))
        },
        "the registry `HOST` redirects more than 5 times",
    )
    .await;
    let seen = registry.seen().into_iter();
    let asked = seen.filter(|seen| seen.path.contains("/blobs/")).count();
    assert_eq!(asked, 6);
}

#[tokio::test]
async fn a_token_service_is_asked_once_with_the_credentials_of_the_registry() {
    let service = Scripted::start_at("127.0.0.2:0", |_| {
        Some(r#"{"token":"of-the-test","expires_in":300}"#.into_response())
    });
    let service = service.await.unwrap();
    let realm = format!(
        "Bearer realm=\"http://{}/token\",service=\"s\",scope=\"repository:acme/plugin:pull\"",
        service.address
    );
    let script = move |seen: &Seen| match seen.authorization.as_deref() {
        Some("Bearer of-the-test") => None,
        _ => Some(challenge(&realm)),
    };
    let registry = Scripted::start(script).await.unwrap();
    registry.add("1", &plugin());
    let mut config = quick();
    let host = registry.address.to_string();
    config.credentials = credentials(&host, USER, PASSWORD).unwrap();
    let client = client(config).unwrap();
    let reference = registry.reference("1").parse().unwrap();
    for _ in 0..2 {
        client.pull(&reference, LIMIT).await.unwrap();
    }
    let expected = Seen {
        method: Method::GET,
        path: "/token?service=s&scope=repository%3Aacme%2Fplugin%3Apull".to_string(),
        authorization: Some(BASIC.to_string()),
    };
    assert_eq!(service.seen(), [expected]);
    let seen = registry.seen();
    let mut with_basic = seen.iter().filter_map(|seen| seen.authorization.as_deref());
    assert!(with_basic.all(|header| header == "Bearer of-the-test"));
}

#[tokio::test]
async fn a_bad_token_service_is_said() {
    let (body, taken) = endless();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let endless = move || Response::new(body.lock().unwrap().take().unwrap_or_default());
    type Answer = Box<dyn Fn() -> Response + Send + Sync>;
    let cases: [(Answer, &str); 6] = [
        (
            Box::new(endless),
            "cannot authenticate at the registry `HOST`: its token service sends more than 65536 bytes",
        ),
        (
            Box::new(|| "{}".into_response()),
            "cannot authenticate at the registry `HOST`: its token service gives no token",
        ),
        (
            Box::new(|| StatusCode::UNAUTHORIZED.into_response()),
            "the registry `HOST` asks for a user name and password: add the registry to \
             `plugin.registry_credentials_file`",
        ),
        (
            Box::new(|| StatusCode::NOT_FOUND.into_response()),
            "cannot authenticate at the registry `HOST`: its token service `http://SERVICE` answers with status 404",
        ),
        (
            Box::new(|| error(StatusCode::BAD_GATEWAY, "down")),
            "the registry `http://SERVICE` failed with status 502 at each of 4 tries: down: try again later",
        ),
        // A token that the registry does not take.
        (
            Box::new(|| r#"{"token":"other"}"#.into_response()),
            "the registry `HOST` asks for a user name and password: add the registry to \
             `plugin.registry_credentials_file`",
        ),
    ];
    for (answer, expected) in cases {
        let service = Scripted::start_at("127.0.0.2:0", to_all(answer))
            .await
            .unwrap();
        let realm = format!("Bearer realm=\"http://{}/token?secret\"", service.address);
        let expected = expected.replace("SERVICE", &service.address.to_string());
        refused(to_all(move || challenge(&realm)), &expected).await;
    }
    assert!(taken.load(Ordering::Relaxed) < IN_FLIGHT);
    refused(
        to_all(|| challenge("Bearer realm=\"http://registry.example/token\"")),
        "cannot authenticate at the registry `HOST`: its token service `http://registry.example` is not asked, because it is \
         not `https`",
    )
    .await;
}

#[tokio::test]
async fn a_mirror_is_asked_instead_with_its_own_credentials() {
    let mirror = Scripted::start(|seen| {
        seen.authorization
            .is_none()
            .then(|| challenge("Basic realm=\"r\""))
    });
    let mirror = mirror.await.unwrap();
    mirror.add("1", &plugin());
    let mut config = quick();
    let host = mirror.address.to_string();
    config.mirrors = vec![format!("registry.example={host}/acme").parse().unwrap()];
    config.credentials = credentials(&host, USER, PASSWORD).unwrap();
    let reference = "oci://registry.example/plugin:1".parse().unwrap();
    let pulled = client(config)
        .unwrap()
        .pull(&reference, LIMIT)
        .await
        .unwrap();
    assert_eq!(pulled.component, plugin().component);
    assert_eq!(mirror.seen()[0].path, "/v2/acme/plugin/manifests/1");
}
