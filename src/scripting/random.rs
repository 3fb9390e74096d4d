//! The generator behind `math.random`: the linear congruential one of `lrand48`, so that a seed brings the same numbers as in Redis
//! and on every machine.

/// What `lrand48` answers lies below this.
pub const BOUND: u32 = 1 << 31;

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;

/// 48 bits of state.
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Default for Random {
    fn default() -> Random {
        Random(0x1234_ABCD_330E)
    }
}

impl Random {
    /// The generator after `srand48`.
    pub fn seeded(seed: i32) -> Random {
        Random(u64::from(seed as u32) << 16 | 0x330E)
    }

    /// The next number below [`BOUND`].
    pub fn draw(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
        (self.0 >> 17) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_lrand48() {
        // As the C library answers after srand48(42).
        let mut random = Random::seeded(42);
        let first: Vec<u32> = (0..3).map(|_| random.draw()).collect();
        assert_eq!(first, [1_598_855_263, 735_945_821, 238_553_827]);
    }
}
