//! Peers that exist while their device is connected by a second factor.

use postern_gateway::PresharedKey;

use super::*;

#[test]
fn where_a_second_factor_is_asked_for_a_peer_is_there_while_it_is_connected_and_with_its_own_key() {
    let (mut world, kernel, app) = world();
    let (site, at_hq) = (app.site(), LocationId(1));
    let locations = site.locations().cloned().map(|mut location| {
        location.config.second_factor = location.id == at_hq;
        location
    });
    let site = Site::new(site.config.clone(), site.instance, site.keys.clone(), locations);
    app.replace_site(Arc::new(site));
    app.store.write_blocking(|tx| tx.ask_for_second_factor(&[at_hq].into())).unwrap();
    let device = register(&app, 1);
    world.turn(Cause::Boot);
    let peer = || kernel.observed().interfaces[&hq()].peers.get(&key(1)).cloned();
    assert_eq!((peer(), live(&app, device)), (None, vec![false, true]));
    for secret in [[9; 32], [8; 32]] {
        let row = Sealed::ConnectionKey(device, at_hq);
        let sealed = app.site().keys.seal.seal(row, &secret, [4; 32]);
        let connect = app
            .store
            .write_blocking(|tx| tx.connect(&tx.device(device)?.unwrap(), at_hq, &sealed, "boot", app.now()));
        connect.unwrap();
        world.turn(Cause::Commit);
        assert!(peer().unwrap().preshared_key == PresharedKey::from_bytes(secret));
        assert_eq!(live(&app, device), [true, true]);
    }
    let end = app.store.write_blocking(|tx| tx.end_connection(&tx.connections()?.pop().unwrap()));
    end.unwrap();
    kernel.take_written();
    world.turn(Cause::Commit);
    assert_eq!((peer(), live(&app, device)), (None, vec![false, true]));
    assert_eq!(kernel.take_written().len(), 1, "the peer is removed at once, never only its key");
}
