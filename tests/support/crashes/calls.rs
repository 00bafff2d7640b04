//! The daemon ends at a certain call: before or after one of those by which it writes, tells the kernel or answers.

use nix::sys::signal::Signal;

use crate::crashes::model::{Deed, EXTRA};
use crate::crashes::{Dice, Scene, Seed, a_key};
use crate::faults::{Faults, Place, Side};
use crate::rig::Wireguard;

/// One and the same story, each time with an end at another call: before and after so many of each of
/// these places.
pub(crate) fn a_daemon_that_ends_at_any_call_keeps_its_word(
    wireguard: Wireguard,
    places: &[Place],
    most: u32,
) {
    let mut faults = None;
    let scene = Scene::new(wireguard, |rig| {
        let made = Faults::new(rig.dir());
        let through = made.iter().flat_map(Faults::through).map(str::to_owned).collect();
        faults = made;
        through
    });
    let Some(mut scene) = scene else { return };
    let faults = faults.unwrap();
    let seed = Seed::choose();
    let (mut dice, mut times) = (Dice::new(seed.0), 0);
    let before = places.iter().map(|place| faults.calls(*place)).collect::<Vec<_>>();
    told(&mut scene, &mut times);
    scene.restart();
    let counts = places.iter().zip(before).map(|(place, before)| faults.calls(*place) - before);
    for (place, count) in places.iter().copied().zip(counts.collect::<Vec<_>>()) {
        assert!(count > 0, "{place:?}: nothing happens there");
        let chosen: Vec<u32> = if most >= count {
            (1..=count).collect()
        } else {
            (0..most).map(|_| 1 + dice.below(count)).collect()
        };
        for (number, side) in
            chosen.iter().flat_map(|number| [(*number, Side::Before), (*number, Side::After)])
        {
            eprintln!("{place:?} {number} of {count}, {side:?}");
            cleared(&mut scene);
            faults.die(place, side, number);
            told(&mut scene, &mut times);
            faults.live();
            scene.restart();
        }
    }
    scene.is_whole();
}

impl Scene {
    /// Killed, if it still runs, and started again; then everything is looked at.
    pub(crate) fn restart(&mut self) {
        self.rig.end(Signal::SIGKILL);
        self.start();
        self.check();
    }
}

/// What the story left behind is removed.
fn cleared(scene: &mut Scene) {
    let lane = &mut scene.lanes[0];
    let place = lane.world.places.contains_key(EXTRA).then_some(Deed::RemovePlace);
    let machines: Vec<_> = lane
        .world
        .machines
        .iter()
        .filter(|(_, machine)| machine.place != EXTRA)
        .map(|(name, _)| Deed::RemoveMachine(name.clone()))
        .collect();
    let people: Vec<_> = lane.world.people.keys().cloned().map(Deed::RemoveUser).collect();
    let mut deeds = place.into_iter().chain(machines).chain(people);
    assert!(scene.rig.gateway.enter(|| deeds.all(|deed| lane.perform(deed))));
}

/// Somebody comes and goes, and so does a location with a machine; it ends where no answer comes.
fn told(scene: &mut Scene, times: &mut u32) {
    *times += 1;
    let lane = &mut scene.lanes[0];
    let [ann, machine] = ["person", "machine"].map(|what| format!("{}-{what}-{times}", lane.name));
    let mut deeds = [
        Deed::Invite(ann.clone()),
        Deed::Open(ann.clone()),
        Deed::Register(ann.clone(), a_key()),
        Deed::SetPassword(ann.clone()),
        Deed::AddPlace,
        Deed::AddMachine(machine.clone(), EXTRA.to_owned()),
        Deed::Open(machine.clone()),
        Deed::Register(machine.clone(), a_key()),
        Deed::SetMtu("open".to_owned(), u64::from(1300 + *times % 100)),
        Deed::RotateKey("open".to_owned()),
        Deed::Join(ann.clone()),
        Deed::Reissue(machine.clone()),
        Deed::Open(machine.clone()),
        Deed::Register(machine, a_key()),
        Deed::RemovePlace,
        Deed::Disable(ann.clone()),
        Deed::Enable(ann.clone()),
        Deed::RemoveDevice(ann.clone()),
        Deed::RemoveUser(ann),
    ]
    .into_iter();
    scene.rig.gateway.enter(|| deeds.all(|deed| lane.perform(deed)));
}
