use super::*;

#[test]
fn the_host_publishes_the_labels_of_its_node() -> Result<()> {
    main()
}
