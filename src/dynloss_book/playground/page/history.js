/* What has happened, in a fixed amount of memory: the smallest and the largest value of each quantity in bins of equal
   numbers of steps. With `grows` the bins are joined in pairs when they are full, and the whole run stays in sight; without
   it the oldest bin goes. */
class History {
  constructor({bins, size, grows, names}) {
    Object.assign(this, {bins, size, grows, names});
    this.low = Object.fromEntries(names.map((name) => [name, new Float64Array(bins)]));
    this.high = Object.fromEntries(names.map((name) => [name, new Float64Array(bins)]));
    this.clear();
  }

  clear() {
    this.origin = 0; // the bin of step 0 has number 0; `origin` is the oldest that is kept
    this.count = 0;
  }

  /* The place of a bin in the arrays. */
  at(bin) {
    return bin % this.bins;
  }

  blank(bin) {
    for (const name of this.names) {
      this.low[name][this.at(bin)] = Infinity;
      this.high[name][this.at(bin)] = -Infinity;
    }
  }

  add(step, values) {
    let bin = Math.floor(step / this.size);
    if (this.grows && bin >= this.bins) {
      this.join();
      bin = Math.floor(step / this.size);
    }
    while (this.origin + this.count <= bin) {
      this.blank(this.origin + this.count);
      if (this.count < this.bins) this.count++;
      else this.origin++;
    }
    const place = this.at(bin);
    for (const name in values) {
      const value = values[name];
      if (value < this.low[name][place]) this.low[name][place] = value;
      if (value > this.high[name][place]) this.high[name][place] = value;
    }
  }

  join() {
    for (const name of this.names) {
      const low = this.low[name], high = this.high[name];
      for (let bin = 0; bin < this.bins / 2; bin++) {
        low[bin] = Math.min(low[2 * bin], low[2 * bin + 1]);
        high[bin] = Math.max(high[2 * bin], high[2 * bin + 1]);
      }
    }
    this.size *= 2;
    this.count = this.bins / 2;
  }

  /* [step in the middle, low, high] of groups of bins that hold this quantity, in about as many groups as `columns`. */
  series(name, columns) {
    const found = [], group = Math.max(1, Math.ceil(this.count / columns)), last = this.origin + this.count;
    // Whole groups from step 0 on, so that they do not change as the oldest bins go.
    for (let first = this.origin - this.origin % group; first < last; first += group) {
      let low = Infinity, high = -Infinity;
      for (let bin = Math.max(first, this.origin); bin < Math.min(first + group, last); bin++) {
        low = Math.min(low, this.low[name][this.at(bin)]);
        high = Math.max(high, this.high[name][this.at(bin)]);
      }
      if (low <= high) found.push([(first + group / 2) * this.size - 0.5, low, high]);
    }
    return found;
  }

  /* First and last step in sight. */
  range() {
    return [this.origin * this.size, (this.origin + Math.max(this.count, 1)) * this.size - 1];
  }
}
