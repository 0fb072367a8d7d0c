use bytes::Bytes;

use super::{image, layer, listed, tag};
use crate::digest::Digest;
use crate::proof::{PAYLOAD_BYTES_MAX, SIGNATURES_MAX, Signature};

fn signature(number: usize) -> Signature {
    Signature {
        payload: Bytes::from(format!("{{\"number\":{number}}}")),
        signature: vec![1, 2, 3],
    }
}

#[test]
fn signatures_are_read_as_they_are_written() {
    let signatures = [signature(1), signature(2)];
    let image = image(signatures.iter().map(layer).collect()).unwrap();
    let read = listed(&image.manifest).unwrap();
    assert_eq!(read.len(), 2);
    for (read, written) in read.iter().zip(&signatures) {
        assert_eq!(read.payload.digest, Digest::of(&written.payload));
        assert_eq!(read.signature.as_ref().unwrap(), &written.signature);
    }
    assert_eq!(
        tag(&Digest::of(b"")),
        "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.sig"
    );
}

#[test]
fn a_damaged_image_is_refused_and_other_layers_are_ignored() {
    let whole = image(vec![layer(&signature(1))]).unwrap().manifest;
    let whole = String::from_utf8(whole.to_vec()).unwrap();
    let many = image((0..=SIGNATURES_MAX).map(|i| layer(&signature(i))).collect()).unwrap();
    for (manifest, error) in [
        (
            "{}".to_string(),
            "their manifest is no image manifest".to_string(),
        ),
        (
            String::from_utf8(many.manifest.to_vec()).unwrap(),
            "there are 65, and at most 64 are read".to_string(),
        ),
    ] {
        assert_eq!(listed(manifest.as_bytes()).unwrap_err().to_string(), error);
    }
    let other = whole.replace("simplesigning.v1", "other.v1");
    assert!(listed(other.as_bytes()).unwrap().is_empty());
}

#[test]
fn a_damaged_signature_leaves_those_beside_it_whole() {
    let both = image(vec![layer(&signature(1)), layer(&signature(2))]).unwrap();
    let both = String::from_utf8(both.manifest.to_vec()).unwrap();
    let size = format!("\"size\":{}", signature(1).payload.len());
    let long = format!("\"size\":{}", PAYLOAD_BYTES_MAX + 1);
    for (manifest, damage) in [
        (
            both.replacen("AQID", "?", 1),
            "its annotation holds no signature in base64",
        ),
        (
            both.replacen("dev.cosignproject.cosign/signature", "other", 1),
            "its annotation holds no signature in base64",
        ),
        (
            both.replacen(&size, &long, 1),
            "its signed text has 16385 bytes, and at most 16384 are read",
        ),
    ] {
        let read = listed(manifest.as_bytes()).unwrap();
        let [first, second] = &read[..] else {
            panic!("{read:?}");
        };
        assert_eq!(first.signature.as_ref().unwrap_err().to_string(), damage);
        assert_eq!(second.signature.as_ref().unwrap(), &signature(2).signature);
    }
}
