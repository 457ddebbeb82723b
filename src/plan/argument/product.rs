//! All combinations of the values of some arguments.

/// All combinations of some lists of values; the last list is gone through once.
pub(in crate::plan) trait Product {
    type Of;

    fn of(self) -> Vec<Self::Of>;
}

impl Product for () {
    type Of = ();

    fn of(self) -> Vec<()> {
        vec![()]
    }
}

impl<A> Product for (Vec<A>,) {
    type Of = (A,);

    fn of(self) -> Vec<(A,)> {
        self.0.into_iter().map(|a| (a,)).collect()
    }
}

impl<A: Clone, B: Clone> Product for (Vec<A>, Vec<B>) {
    type Of = (A, B);

    fn of(self) -> Vec<(A, B)> {
        let (first, last) = self;
        let with = |b: B| first.iter().map(move |a| (a.clone(), b.clone()));
        last.into_iter().flat_map(with).collect()
    }
}

impl<A: Clone, B: Clone, C: Clone> Product for (Vec<A>, Vec<B>, Vec<C>) {
    type Of = (A, B, C);

    fn of(self) -> Vec<(A, B, C)> {
        let (first, middle, last) = self;
        let pairs = (first, middle).of();
        let with = |c: C| {
            let pairs = pairs.iter().cloned();
            pairs.map(move |(a, b)| (a, b, c.clone()))
        };
        last.into_iter().flat_map(with).collect()
    }
}
