/** `kontiki sim`: a whole cluster in virtual time from a seed. */
export async function simCommand(_args: string[]): Promise<number> {
  return 2;
}
