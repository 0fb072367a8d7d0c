use super::*;

#[test]
fn the_most_similar_name_is_suggested() {
    let known = ["gossip.listen", "http.listen", "node_id"];
    assert_eq!(nearest("gossip.lsten", known), Some("gossip.listen"));
    assert_eq!(nearest("htp.listen", known), Some("http.listen"));
    assert_eq!(nearest("nodeid", known), Some("node_id"));
    assert_eq!(nearest("zzz", known), None);
}
