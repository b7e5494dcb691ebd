// Rows of a prompt that a delta net takes together. Blocks begin at the batch's first row, whosever rows are in them.
const BLOCK: u32 = 16u;
