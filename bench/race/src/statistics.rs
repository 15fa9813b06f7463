//! What is made of figures: the middle and the ends, ratios within a round, and when two are called equal. It must never
//! measure.

use trijet_load::measure::median;

/// Figures of several rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

/// How a spread stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    More,
    /// The ranges overlap: the rounds do not tell them apart.
    Equal,
    Less,
}

impl Spread {
    /// Of some figures; of none there is none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let figures: Vec<f64> = figures.into_iter().filter(|figure| figure.is_finite()).collect();
        let least = figures.iter().copied().reduce(f64::min)?;
        let most = figures.iter().copied().reduce(f64::max)?;
        Some(Self { median: median(figures), least, most })
    }

    /// How this stands to the other.
    pub fn compare(&self, other: &Self) -> Comparison {
        if self.least > other.most {
            Comparison::More
        } else if self.most < other.least {
            Comparison::Less
        } else {
            Comparison::Equal
        }
    }
}

/// What each figure is of the other's of the same round. A round that lacks one of them is left out.
pub fn ratios(figures: &[(usize, f64)], others: &[(usize, f64)]) -> Vec<f64> {
    let other = |round| others.iter().find(|(other, _)| *other == round);
    let ratio = |(round, figure): &(usize, f64)| other(*round).map(|(_, other)| figure / other);
    figures.iter().filter_map(ratio).filter(|ratio| ratio.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_ends() {
        let spread = Spread::of([9.0, 1.0, 2.0, f64::NAN]).unwrap();
        assert_eq!(spread, Spread { median: 2.0, least: 1.0, most: 9.0 });
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ranges_that_overlap_or_touch_are_equal() {
        let of = |least, most| Spread { median: (least + most) / 2.0, least, most };
        assert_eq!(of(3.0, 4.0).compare(&of(1.0, 2.0)), Comparison::More);
        assert_eq!(of(1.0, 2.0).compare(&of(3.0, 4.0)), Comparison::Less);
        for (one, other) in [((1.0, 3.0), (2.0, 4.0)), ((1.0, 2.0), (2.0, 3.0)), ((1.0, 9.0), (4.0, 5.0))] {
            assert_eq!(of(one.0, one.1).compare(&of(other.0, other.1)), Comparison::Equal);
            assert_eq!(of(other.0, other.1).compare(&of(one.0, one.1)), Comparison::Equal);
        }
    }

    #[test]
    fn a_ratio_is_to_the_floor_of_its_own_round() {
        // The second round was twice as slow for all: the ratio does not see it.
        let (own, floor) = ([(0, 50.0), (1, 25.0), (2, 10.0)], [(0, 100.0), (1, 50.0), (3, 1.0)]);
        assert_eq!(ratios(&own, &floor), [0.5, 0.5]);
        assert!(ratios(&own, &[(0, 0.0)]).is_empty());
    }
}
