//! How a layer hands its results on without knowing who takes them.

/// Takes one item after the other.
pub trait Emit<T> {
    /// Hands over `item`.
    fn emit(&mut self, item: T);
}

impl<T> Emit<T> for Vec<T> {
    fn emit(&mut self, item: T) {
        self.push(item);
    }
}

/// Takes items and forgets them.
pub struct Discard;

impl<T> Emit<T> for Discard {
    fn emit(&mut self, _: T) {}
}
