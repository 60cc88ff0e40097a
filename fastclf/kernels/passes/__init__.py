"""One read of X: loss and gradient, Hessians, or a slice of an epoch."""
