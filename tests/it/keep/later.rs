//! What the settings name meanwhile, and what they let in: whoever decides later wins.

use std::os::unix::fs::chown;

use edge_cache_agent::components::Upload;

use super::*;

/// Somebody who is neither root nor whoever runs the tests.
const SOMEBODY: u32 = 54_321;

#[tokio::test]
async fn who_changes_what_the_settings_name_has_decided_later() {
    let (place, agent) = keeping(other()).await;
    let newer = with_section(&settings(), "note", b"newer");
    place.name(&newer);
    let checked = place.checked().await;
    assert!(checked.contains(&sha256(&newer)), "{checked}");
    let (agent, found) = place.again(agent).await;
    assert_eq!(found, plain(&newer));
    assert!(place.kept_file(other()).exists(), "its file stays");
    // It does not come back by itself.
    place.name(&settings());
    let (agent, found) = place.again(agent).await;
    assert_eq!(found, plain(&settings()));

    // While the agent runs, SIGHUP is the moment at which the change counts, ...
    assert_eq!(keep(&agent, other()).await, kept(other()));
    place.name(&newer);
    until("the newer component", SEEN_WITHIN, || async {
        agent.hang_up().unwrap();
        let found = shown(&agent).await;
        if found == plain(&newer) {
            Ok(())
        } else {
            Err(found)
        }
    })
    .await;
    place.name(&settings());
    let (agent, found) = place.again(agent).await;
    assert_eq!(found, plain(&settings()));
    // ... and who keeps one after the change has decided after it.
    place.name(&newer);
    assert_eq!(keep(&agent, other()).await, kept(other()));
    let (_agent, found) = place.again(agent).await;
    assert_eq!(found, kept(other()));
}

/// SIGHUP also comes for other reasons: the file was seen when the component was kept in its place.
#[tokio::test(flavor = "multi_thread")]
async fn one_kept_after_the_file_had_changed_is_not_undone_by_a_later_sighup() {
    let place = Place::new();
    fs::create_dir(place.data()).unwrap();
    let (components, registry) = place.start_within().await;
    let runs = || text_of(registry.plugin().sha256());
    place.name(&with_section(&settings(), "note", b"newer"));
    let upload = Upload {
        bytes: other().to_vec(),
        sha256: None,
        keep: true,
    };
    let turn = components.turn().unwrap();
    components.replace(turn, &registry, upload).await.unwrap();
    components.reread(&registry).await;
    assert_eq!(runs(), sha256(other()));
    assert_eq!(components.kept().map(|kept| text_of(&kept)), Some(runs()));
    // Nor by one after another start.
    let (components, registry) = place.start_within().await;
    let runs = || text_of(registry.plugin().sha256());
    components.reread(&registry).await;
    assert_eq!(runs(), sha256(other()));
    assert_eq!(components.kept().map(|kept| text_of(&kept)), Some(runs()));
    let newest = with_section(&settings(), "note", b"newest");
    place.name(&newest);
    components.reread(&registry).await;
    assert_eq!(runs(), sha256(&newest));
    assert_eq!(components.kept(), None);
}

/// Whoever changed the file twice since then has decided later, also against one that the agent could not use.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_could_not_be_used_does_not_come_back_against_later_decisions() {
    let (place, agent) = keeping(other()).await;
    agent.kill().await.unwrap();
    let which = place.data().join("kept/which.json");
    let (file, said) = (place.kept_file(other()), fs::read(&which).unwrap());
    for damaged in [&file, &which] {
        fs::write(&which, &said).unwrap();
        fs::write(damaged, "").unwrap();
        let (components, registry) = place.start_within().await;
        let is_known = damaged == &file;
        let tried_again = components.kept().map(|kept| text_of(&kept));
        assert_eq!(tried_again, is_known.then(|| sha256(other())));
        for named in [with_section(&settings(), "note", b"newer"), settings()] {
            place.name(&named);
            components.reread(&registry).await;
            assert_eq!(text_of(registry.plugin().sha256()), sha256(&named));
            assert_eq!(components.kept(), None);
        }
        assert!(!which.exists());
        fs::write(&file, other()).unwrap();
    }
    let agent = place.start().await;
    assert_eq!(shown(&agent).await, plain(&settings()));
}

/// The pin does not let the settings' component in, or it does not load: the kept one is all that the agent has.
#[tokio::test]
async fn what_the_next_start_needs_is_not_taken_from_it() {
    let (mut place, agent) = keeping(other()).await;
    place.pin = Some(sha256(other()));
    let (agent, found) = place.again(agent).await;
    assert_eq!(found, kept(other()));
    let query = format!("?keep=true&sha256={}", sha256(&settings()));
    let refused = put(&agent, &query, &settings()).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["type"]),
        (409, &json!("/problems/not-kept"))
    );
    assert_eq!(shown(&agent).await, kept(other()));
    let (agent, found) = place.again(agent).await;
    assert_eq!(found, kept(other()));

    place.name(b"no component");
    let refused = put(&agent, "?keep=true", other()).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["type"]),
        (409, &json!("/problems/not-kept"))
    );
    place.name(&settings());
    let (_agent, found) = place.again(agent).await;
    assert_eq!(found, kept(other()));
}

/// Root may look into the data directory of an agent that runs as somebody else, and finds what is not root's own.
#[tokio::test]
async fn a_check_by_somebody_else_does_not_say_which_one_runs() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can give a file to somebody else");
        return;
    }
    let (place, agent) = keeping(other()).await;
    agent.kill().await.unwrap();
    let kept = place.data().join("kept");
    let files = [kept.join("which.json"), place.kept_file(other())];
    for path in files.iter().chain([&place.data(), &kept]) {
        chown(path, Some(SOMEBODY), None).unwrap();
    }
    let checked = place.checked().await;
    assert!(checked.contains("belongs to somebody else"), "{checked}");
    assert!(!checked.contains("cannot be used"), "{checked}");
}

#[tokio::test]
async fn a_pin_lets_in_what_was_kept_under_it() {
    let mut place = Place::new();
    place.pin = Some(sha256(&settings()));
    let agent = place.start().await;
    assert_eq!(put(&agent, "?keep=true", other()).await.status, 422);
    assert!(!place.data().join("kept").exists());
    let pin = sha256(other());
    let swapped = put(&agent, &format!("?keep=true&sha256={pin}"), other()).await;
    assert_eq!(said(&swapped.body), kept(other()));
    let (agent, found) = place.again(agent).await;
    assert_eq!(found, kept(other()));
    // The pin is the kept one's own, or none.
    for pin in [Some(pin), None] {
        place.pin = pin;
        let checked = place.checked().await;
        assert!(checked.contains("kept in the place of"), "{checked}");
    }
    // Kept without a pin, it is not let in by one that came later.
    assert_eq!(keep(&agent, &settings()).await, plain(&settings()));
    let (agent, _) = place.again(agent).await;
    assert_eq!(keep(&agent, other()).await, kept(other()));
    place.pin = Some(sha256(&settings()));
    let (_agent, found) = place.again(agent).await;
    assert_eq!(found, plain(&settings()));
}

fn text_of(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
