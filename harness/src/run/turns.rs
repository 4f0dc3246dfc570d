//! In which order do contenders take their turns?

/// The order of one turn of a rotation: every contender once, begun by another one each time, and every
/// other turn backwards, so that over an even number of turns each one follows and precedes the
/// others about equally often.
#[must_use]
pub fn rotation(contenders: usize, turn: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..contenders).collect();
    if contenders > 0 {
        order.rotate_left(turn as usize / 2 % contenders);
    }
    if turn % 2 == 1 {
        order.reverse();
    }
    order
}

/// The order of one round: forwards, backwards, backwards, forwards (ABBA), so that a drift of the
/// machine hits all alike.
#[must_use]
pub fn abba(contenders: usize, round: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..contenders).collect();
    if matches!(round % 4, 1 | 2) {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_has_everyone_once_and_slots_are_balanced() {
        let contenders = 5;
        let mut slots = vec![vec![0; contenders]; contenders];
        for turn in 0..(2 * contenders as u32) {
            let order = rotation(contenders, turn);
            for (slot, &who) in order.iter().enumerate() {
                slots[who][slot] += 1;
            }
        }
        assert!(slots.iter().flatten().all(|&times| times == 2), "{slots:?}");
        assert!(rotation(0, 3).is_empty());
    }

    #[test]
    fn rounds_go_abba() {
        let orders: Vec<_> = (0..4).map(|round| abba(2, round)).collect();
        assert_eq!(orders, [[0, 1], [1, 0], [1, 0], [0, 1]]);
    }
}
