//! The wrong settings, and the files that they name.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use edge_cache_tests::agent::{Agent, run_to_end, write_secret};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// A port that the cases name and none listens on.
const PORT: &str = "127.0.0.1:9";

/// The outcome of a start.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A refusal with this text.
    Refused(&'static str),
    /// A start with this warning.
    Starts(&'static str),
}

/// A wrong setting.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) variable: Option<(&'static str, &'static str)>,
    pub(super) outcome: Outcome,
}

/// The files that the cases name.
pub(super) struct Files(tempfile::TempDir);

impl Files {
    pub(super) async fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        let key = run_to_end(&["gossip", "keygen"]).await.unwrap().stdout;
        let tokens = run_to_end(&["token", "new", "--name", "x", "--role", "read"]);
        let tokens = tokens.await.unwrap().stdout;
        let (_, line) = tokens.split_once("line=").unwrap();
        let certificate = |from: i32, until: i32| {
            let mut params = CertificateParams::new(["node-1.example".to_string()]).unwrap();
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(until, 1, 1);
            let key = KeyPair::generate().unwrap();
            (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
        };
        let (good, good_key) = certificate(2020, 4000);
        let (expired, expired_key) = certificate(2020, 2021);
        let (early, early_key) = certificate(3999, 4000);
        for (name, text) in [
            ("gossip.key", &*key),
            ("tokens", line),
            ("good.pem", &good),
            ("good.key", &good_key),
            ("expired.pem", &expired),
            ("expired.key", &expired_key),
            ("early.pem", &early),
            ("early.key", &early_key),
            ("nonsense", "nonsense"),
            ("unknown.toml", "[gossip]\nlisen = '127.0.0.1:0'"),
            ("wrong-type.toml", "node_id = true"),
        ] {
            write_secret(&files.0.path().join(name), text).unwrap();
        }
        for name in ["gossip.key", "tokens", "good.key", "nonsense"] {
            let open = files.0.path().join(format!("open-{name}"));
            fs::copy(files.0.path().join(name), &open).unwrap();
            fs::set_permissions(&open, Permissions::from_mode(0o666)).unwrap();
        }
        let trapping = edge_cache_tests::dummy::dummy().unwrap();
        fs::write(files.0.path().join("trapping.wasm"), trapping).unwrap();
        // The cases run at once, so each has a directory of its own.
        mknodat(
            CWD,
            files.path("pipe"),
            FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        for name in ["foreign", "of-other-cluster", "own", "damaged"] {
            let args = ["--node-id", "2", "--data-dir", &files.path(name)];
            let agent = Agent::start(&args).await.unwrap();
            assert_eq!(agent.terminate().await.unwrap(), Some(0));
        }
        fs::write(
            files.0.path().join("damaged/registry.redb"),
            "x".repeat(9_000),
        )
        .unwrap();
        files
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_string()
    }

    /// Returns a case. In the line, `@` stands before the name of a file.
    fn case(&self, line: &str, outcome: Outcome) -> Case {
        let mut args: Vec<String> = line
            .split_whitespace()
            .map(|word| match word.strip_prefix('@') {
                Some(name) => self.path(name),
                None => word.to_string(),
            })
            .collect();
        if !line.contains("--node-id") {
            args.extend(["--node-id".to_string(), "1".to_string()]);
        }
        if !line.contains("--http-listen") {
            args.extend(["--http-listen".to_string(), "127.0.0.1:0".to_string()]);
        }
        Case {
            name: line.to_string(),
            args,
            variable: None,
            outcome,
        }
    }
}

/// Returns all cases.
pub(super) fn cases(files: &Files) -> Vec<Case> {
    let values = [
        ("--node-id abc", "a node id is a number"),
        ("--node-id name:", "the name after `name:` has 1 to 253"),
        ("--node-id 01", "without a sign or leading zeros"),
        ("--gossip-interval 5", "a time has a unit"),
        ("--gossip-interval 9h", "it must be from"),
        ("--log-level inof", "did you mean `info`?"),
        (
            "--log-level warn,edge_cache_gossip=debgu",
            "did you mean `debug`?",
        ),
        ("--http-listen localhost:1", "an address is IP:PORT"),
        ("--plugin-sha256 xyz", "a SHA-256 is 64 hexadecimal digits"),
        (
            "--gosip-listen 127.0.0.1:0",
            "unexpected argument '--gosip-listen'",
        ),
        ("--limits-nodes-max 0", "it must be from"),
        ("--cache-address 0.0.0.0:80", "unspecified"),
        ("--traffic-geo=", "geo must be"),
        (
            "--config @unknown.toml",
            "there is no setting `gossip.lisen`",
        ),
        ("--config @wrong-type.toml", "`node_id` must be"),
        ("--config @nonsense", "is not TOML"),
        ("--config @missing.toml", "cannot use the settings file"),
    ];
    let combinations = [
        ("--http-listen 0.0.0.0:0", "--api-token-file"),
        (
            "--http-listen 0.0.0.0:0 --api-token-file @tokens",
            "--http-tls-cert-file",
        ),
        ("--http-tls-cert-file @good.pem", "--http-tls-key-file"),
        (
            "--api-token-file @tokens --allow-local-admin",
            "--allow-local-admin",
        ),
        ("--gossip-listen 0.0.0.0:0", "--gossip-key-file"),
        (
            "--gossip-listen 0.0.0.0:0 --insecure-gossip",
            "--gossip-advertise",
        ),
        ("--gossip-listen 127.0.0.1:0 --cluster-id=", "cluster"),
        ("--seed 127.0.0.1:1", "--gossip-listen"),
        (
            "--gossip-listen 127.0.0.1:0 --seed nonsense",
            "is not HOST:PORT",
        ),
        ("--label cache_address=127.0.0.1:1", "reserved"),
        ("--label edge_cache_cpu=8", "plugin.labels"),
        ("--cache-check tcp", "--cache-address"),
        ("--traffic-listen 0.0.0.0:0", "--traffic-allow"),
        ("--limits-epoch-tick 1s", "--limits-call-deadline"),
    ];
    let addresses = [
        ("--gossip-listen 239.1.1.1:0 --insecure-gossip", "multicast"),
        ("--gossip-listen [ff02::1]:0 --insecure-gossip", "multicast"),
        (
            "--gossip-listen 127.0.0.1:0 --gossip-advertise 255.255.255.255:1",
            "broadcast",
        ),
        (
            "--gossip-listen 0.0.0.0:0 --insecure-gossip --gossip-advertise 127.0.0.1:1",
            "loopback",
        ),
        (
            "--gossip-listen 0.0.0.0:0 --insecure-gossip --gossip-advertise 192.0.2.1:1 --http-advertise https://localhost:1",
            "loopback",
        ),
        (
            "--gossip-listen 127.0.0.1:0 --seed 224.0.0.1:1",
            "multicast",
        ),
        ("--wg-endpoint 224.0.0.1:1", "multicast"),
        ("--overlay-ip 255.255.255.255", "broadcast"),
        (
            "--http-listen 192.0.2.77:0 --api-token-file @tokens --insecure-http",
            "no interface of this machine has 192.0.2.77",
        ),
    ];
    let same_port = format!("--http-listen {PORT} --health-listen {PORT}");
    let files_wrong = [
        ("--log-audit-file @", "the audit file"),
        ("--log-audit-file @pipe", "it is a pipe"),
        ("--log-audit-file @missing/audit.log", "the audit file"),
        ("--api-token-file @missing", "cannot use the API token file"),
        ("--api-token-file @open-tokens", "file mode 0666"),
        ("--api-token-file @nonsense", "line 1 must be"),
        (
            "--gossip-listen 127.0.0.1:0 --gossip-key-file @open-gossip.key",
            "file mode 0666",
        ),
        (
            "--gossip-listen 127.0.0.1:0 --gossip-key-file @nonsense",
            "cannot use the gossip key file",
        ),
        (
            "--http-tls-cert-file @expired.pem --http-tls-key-file @expired.key",
            "was valid until",
        ),
        (
            "--http-tls-cert-file @early.pem --http-tls-key-file @early.key",
            "is not valid before",
        ),
        (
            "--http-tls-cert-file @good.pem --http-tls-key-file @early.key",
            "cannot be used together",
        ),
        (
            "--http-tls-cert-file @nonsense --http-tls-key-file @good.key",
            "certificates in PEM",
        ),
        (
            "--http-tls-cert-file @good.pem --http-tls-key-file @open-good.key",
            "file mode 0666",
        ),
        ("--data-dir @nonsense", "it is not a directory"),
        ("--data-dir @nonsense/below", "it is not a directory"),
        ("--data-dir @foreign", "belongs to node 2"),
        (
            "--node-id 2 --cluster-id other --data-dir @of-other-cluster",
            "this agent is",
        ),
        ("--data-dir @used", "in use by a running agent"),
        ("--node-id 2 --data-dir @damaged", "is damaged"),
        ("--plugin @missing.wasm", "cannot read the plugin"),
        ("--plugin @nonsense", "cannot load the plugin"),
        (
            "--plugin-sha256 0000000000000000000000000000000000000000000000000000000000000000",
            "cannot load the plugin",
        ),
        ("--plugin-settings nonsense=1", "unknown setting"),
        ("--plugin-settings weight=heavy", "weight"),
        (
            "--plugin oci://127.0.0.1:9/a/b:1 --plugin-pull never",
            "is not stored",
        ),
        ("--plugin-trust @open-nonsense", "file mode 0666"),
        (
            "--plugin-registry-credentials-file @missing",
            "cannot use the credentials",
        ),
        ("--plugin-registry-ca-file @nonsense", "registries"),
    ];
    let starting = [
        (
            "--http-tls-cert-file @good.pem --http-tls-key-file @good.key",
            "the certificate is not for 127.0.0.1",
        ),
        (
            "--plugin @trapping.wasm",
            "an agent starts degraded: load trapped",
        ),
        (
            "--gossip-listen 127.0.0.1:0 --gossip-advertise 192.0.2.1:7946",
            "`gossip.listen` (`--gossip-listen`) is loopback",
        ),
        ("--node-id 2 --data-dir @own", ""),
    ];
    let refused = values
        .into_iter()
        .chain(combinations)
        .chain(addresses)
        .chain([(&*same_port, "cannot both be on port 9")])
        .chain(files_wrong)
        .map(|(line, said)| files.case(line, Outcome::Refused(said)));
    let started = starting
        .into_iter()
        .map(|(line, said)| files.case(line, Outcome::Starts(said)));
    let with_variable = |variable, outcome| Case {
        variable: Some(variable),
        name: format!("{variable:?}"),
        ..files.case("", outcome)
    };
    let variables = [
        with_variable(
            ("EDGE_CACHE_GOSSIP_INTERVAL", "soon"),
            Outcome::Refused("the variable `EDGE_CACHE_GOSSIP_INTERVAL` cannot be"),
        ),
        with_variable(
            ("EDGE_CACHE_SEED", "127.0.0.1:1"),
            Outcome::Starts("did you mean `EDGE_CACHE_GOSSIP_SEED`?"),
        ),
        with_variable(
            ("EDGE_CACHE_SERVICE_HOST", "192.0.2.1"),
            Outcome::Starts("the variable \"EDGE_CACHE_SERVICE_HOST\" is no setting"),
        ),
    ];
    refused.chain(started).chain(variables).collect()
}
