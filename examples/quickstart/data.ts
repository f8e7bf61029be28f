/** What is in the shop's database, so that whoever asks an application knows the one correct answer. */

/** Its two tables belong to different people: `orders` to the owner, `stock` to a warehouse that lets readers in. */
export const QUERY = `
  SELECT orders.pieces, stock.on_hand AS "onHand"
    FROM orders JOIN stock ON stock.product = orders.product
   WHERE orders.id = $1`;

export interface Answer {
  readonly pieces: number;
  readonly onHand: number;
}

export const ORDERS = 2000;
const PRODUCTS = 50;

export const SCHEMA = `
  CREATE TABLE orders (id int PRIMARY KEY, product int NOT NULL, pieces int NOT NULL);
  CREATE TABLE stock (product int PRIMARY KEY, on_hand int NOT NULL);
  INSERT INTO orders SELECT id, id % ${PRODUCTS}, id * 7 % 12 + 1 FROM generate_series(1, ${ORDERS}) id;
  INSERT INTO stock SELECT product, product * product % 89 FROM generate_series(0, ${PRODUCTS - 1}) product;`;

export function correctAnswer(order: number): Answer {
  const product = order % PRODUCTS;
  return { pieces: ((order * 7) % 12) + 1, onHand: (product * product) % 89 };
}
