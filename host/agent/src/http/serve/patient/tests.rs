use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

fn activity() -> Activity {
    Activity::new(Default::default())
}

#[tokio::test(start_paused = true)]
async fn a_write_that_nobody_takes_ends() {
    let (near, _far) = duplex(8);
    let mut near = Patient::new(near, activity());
    let start = tokio::time::Instant::now();
    let error = near.write_all(&[0; 16]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed().as_secs(), WRITE_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_reads_on_is_waited_for() {
    let (near, mut far) = duplex(8);
    let mut near = Patient::new(near, activity());
    let reader = tokio::spawn(async move {
        for _ in 0..4 {
            sleep(WRITE_TIMEOUT / 2).await;
            far.read_exact(&mut [0; 8]).await.unwrap();
        }
        // Whoever waits to read is not in a hurry.
        sleep(WRITE_TIMEOUT * 3).await;
        far.write_all(b"x").await.unwrap();
    });
    near.write_all(&[0; 32]).await.unwrap();
    assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 1);
    reader.await.unwrap();
}
