"""A plan or an apply from end to end: puts the other rooms together in the order that keeps the promises."""
