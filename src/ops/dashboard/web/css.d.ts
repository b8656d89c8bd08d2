/** Style sheets are the bundler's: an import of one has no value. */
declare module "*.css";
